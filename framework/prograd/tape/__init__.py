"""The tape: a mode is recorded once, then replayed without the interpreter (see `docs/tape.md`).

`recorder` runs a function on `traced` arrays and writes down instructions, `layout` places their arrays in memory,
`grouping` says which run block by block, `lowering` turns them into the words that the machine reads, `replay` decides
when a tape takes the place of the function. Imports go down in this order of use.
"""

from prograd.tape import machine
from prograd.tape.explain import explain, table
from prograd.tape.instructions import Instruction
from prograd.tape.tape import Tape
from prograd.tape.times import Times, measured

__all__ = ["Instruction", "Tape", "Times", "explain", "machine", "measured", "table"]
