// asv loads flot's plugin that puts bars side by side. It draws bars where the x-axis is a parameter of words; without the
// plugin they stand over each other, and can be read.
