/* The machine: runs a list of numpy's inner loops without the interpreter. `lowering.py` writes the list, `machine.py`
   calls this module. A program is an array of 64-bit words:

     group:        instructions, extent, block, worth sharing, cuts a product
     instruction:  words, loop, data, arguments, core, outer, part, unit,
                   dims[core], steps[arguments + core strides], sizes[outer],
                   for each argument: base, offset, part step, outer strides[outer]

   `steps` are those that a generalized ufunc's loop takes. An instruction calls its loop once for each index of the
   outer sizes. A group is cut into blocks of `extent`; in a block each of its instructions runs on its part: `part` is
   the position in `dims` that shrinks to unit × the block's length, or core + 0 for outer size 0, or -1 for none. */

#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>
#include <numpy/ufuncobject.h>

#include <fenv.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define VERSION 7 /* of the words below; `machine.py` takes no other */
#define HEADER 5
#define MAX_ARGS 16
#define MAX_OUTER 32
#define MAX_CORE 8
#define MAX_STEPS 48
#define MAX_BASES 64
#define SPARE 4
#define ALIGNMENT 64
#define HUGE_PAGE ((size_t)1 << 21)
#define KEPT 8
#define MOST_KEPT ((size_t)1 << 28) /* bytes of all results that are kept, and of each scratch memory */
#define ERRORS (FE_DIVBYZERO | FE_OVERFLOW | FE_INVALID)
#if defined(__x86_64__) && defined(__GNUC__)
/* The C library asks the old floating point unit too, which no loop uses; that takes as long as a short loop. */
#define raised_errors() ((int)__builtin_ia32_stmxcsr() & ERRORS)
#define clear_errors() __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() & ~(unsigned)ERRORS)
#else
#define raised_errors() fetestexcept(ERRORS)
#define clear_errors() feclearexcept(ERRORS)
#endif

/* With AddressSanitizer no memory is kept for later, where it would hide what is used after it was freed, or beyond its
   end. numpy's loops are not instrumented, so the machine itself reads the first and the last of what it gives them. */
#ifdef __SANITIZE_ADDRESS__
#define KEEPS 0
static void
look(char *const *at, const npy_intp *dims, const npy_intp *steps, int args, int core)
{
    for (int i = 0; i < args && core == 1 && dims[0] > 0; i++) {
        (void)*(volatile char *)at[i];
        (void)*(volatile char *)(at[i] + (dims[0] - 1) * steps[i]);
    }
}
#else
#define KEEPS 1
#define look(at, dims, steps, args, core) ((void)0)
#endif

typedef int64_t word;

typedef struct {
    word *words;
    Py_ssize_t count;
    size_t scratch;
    int bases;       /* the null base, the scratch memory, then the arrays of a call */
    int large;       /* worth releasing the GIL */
    int shares;      /* has blocks for helpers */
    word sizes[MAX_BASES]; /* bytes of each array of a call; negative where it is written */
} Program;

/* Scratch memory that no run uses at present, for all programs: with the GIL, two runs never take the same. */
static struct {
    char *memory;
    size_t size;
} spare[SPARE];
static int oldest;

static char *
scratch_take(size_t size, size_t *got)
{
    int best = -1;
    for (int k = 0; k < SPARE; k++) {
        if (spare[k].memory && spare[k].size >= size && (best < 0 || spare[k].size < spare[best].size)) {
            best = k;
        }
    }
    if (KEEPS && best >= 0 && spare[best].size <= 4 * size + (1 << 20)) {
        char *memory = spare[best].memory;
        *got = spare[best].size;
        spare[best].memory = NULL;
        return memory;
    }
    *got = size;
    return PyMem_RawMalloc(size + ALIGNMENT);
}

static void
scratch_give(char *memory, size_t size)
{
    if (!KEEPS || size > MOST_KEPT) {
        PyMem_RawFree(memory);
        return;
    }
    for (int k = 0; k < SPARE; k++) {
        if (!spare[k].memory) {
            spare[k].memory = memory, spare[k].size = size;
            return;
        }
    }
    PyMem_RawFree(spare[oldest].memory);
    spare[oldest].memory = memory, spare[oldest].size = size;
    oldest = (oldest + 1) % SPARE;
}

/* Runs one instruction on `length` of its extent from `start` on; returns the floating point errors that it raised. */
static int
instruction(const word *w, char *const *bases, npy_intp start, npy_intp length, int whole)
{
    PyUFuncGenericFunction loop = (PyUFuncGenericFunction)(intptr_t)w[1];
    void *data = (void *)(intptr_t)w[2];
    int args = (int)w[3], core = (int)w[4], outer = (int)w[5], part = (int)w[6];
    const word *p = w + 8;
    npy_intp dims[MAX_CORE], sizes[MAX_OUTER], index[MAX_OUTER];
    const npy_intp *steps;
    char *at[MAX_ARGS];
    const word *strides[MAX_ARGS];

    for (int k = 0; k < core; k++) {
        dims[k] = p[k];
    }
    p += core;
    steps = (const npy_intp *)(p + 1);
    p += 1 + p[0];
    for (int k = 0; k < outer; k++) {
        sizes[k] = p[k];
        index[k] = 0;
    }
    p += outer;
    if (part >= 0 && !whole) {
        if (part < core) {
            dims[part] = w[7] * length;
        }
        else {
            sizes[0] = length;
        }
    }
    for (int i = 0; i < args; i++) {
        at[i] = bases[p[0]] + p[1] + start * p[2];
        strides[i] = p + 3;
        p += 3 + outer;
    }
    if (outer == 0) {
        look(at, dims, steps, args, core);
        loop(at, dims, (npy_intp *)steps, data);
        return raised_errors();
    }
    for (;;) {
        char *here[MAX_ARGS];
        npy_intp sizes_here[MAX_CORE];
        for (int i = 0; i < args; i++) {
            /* One by one: a wider load would wait for the addresses to leave the queue of stores, which those of the last
               call fill. */
            here[i] = *(char *volatile *)&at[i];
        }
        for (int i = 0; i < core; i++) {
            sizes_here[i] = dims[i];
        }
        look(here, dims, steps, args, core);
        loop(here, sizes_here, (npy_intp *)steps, data);
        int k = outer - 1;
        for (; k >= 0; k--) {
            if (++index[k] < sizes[k]) {
                for (int i = 0; i < args; i++) {
                    at[i] += strides[i][k];
                }
                break;
            }
            for (int i = 0; i < args; i++) {
                at[i] -= strides[i][k] * (sizes[k] - 1);
            }
            index[k] = 0;
        }
        if (k < 0) {
            return raised_errors(); /* flags stay raised; reading them waits until all numbers are there */
        }
    }
}

/* Runs the instructions of a group on one block. */
static int
block(const word *group, char *const *bases, npy_intp k)
{
    npy_intp extent = group[1], size = group[2];
    npy_intp start = k * size, length = extent - start < size ? extent - start : size;
    const word *w = group + HEADER;
    int raised = 0;
    for (word i = 0; i < group[0]; i++) {
        raised |= instruction(w, bases, start, length, 0);
        w += w[0];
    }
    return raised;
}

static const word *
after(const word *group)
{
    const word *w = group + HEADER;
    for (word i = 0; i < group[0]; i++) {
        w += w[0];
    }
    return w;
}

#include "_threads.h"

static int
run_program(const Program *program, char *const *bases, int threads, int whole)
{
    const word *group = program->words, *stop = group + program->count;
    int raised = 0, shared = threads > 1 && program->shares && !whole && team_begin(threads);
    clear_errors();
    while (group < stop) {
        npy_intp blocks = (group[1] + group[2] - 1) / group[2];
        if (whole && group[4]) {
            const word *w = group + HEADER;
            for (word i = 0; i < group[0]; i++) {
                raised |= instruction(w, bases, 0, 0, 1);
                w += w[0];
            }
        }
        else if (shared && group[3] && blocks > 1) {
            raised |= team_run(group, bases, blocks);
        }
        else {
            for (npy_intp k = 0; k < blocks; k++) {
                raised |= block(group, bases, k);
            }
        }
        group = after(group);
        if (raised) {
            clear_errors();
        }
    }
    if (shared) {
        team_end();
    }
    return raised;
}

#include "_loops.h"

/* Products by MKL, with the signature of matmul's loop: dims are the outer one, n, k, m. `lowering.py` sees to it that each
   matrix has rows or columns without gaps. MKL stays within the calling thread, and its caller's number of threads too. */

enum { ROW_MAJOR = 101, COLUMN_MAJOR = 102, AS_IT_IS = 111, TRANSPOSED = 112 };

typedef struct {
    int rows;   /* whether its rows are without gaps */
    int64_t ld; /* items from one row, or column, to the next */
} Layout;

static Layout
layout_of(npy_intp rows, npy_intp columns, npy_intp along_rows, npy_intp along_columns, npy_intp item)
{
    int by_rows = (along_columns == item || columns == 1) && (along_rows >= columns * item || rows == 1);
    int64_t ld = (by_rows ? along_rows : along_columns) / item, least = by_rows ? columns : rows;
    return (Layout){by_rows, ld > least ? ld : least};
}

static int64_t
increment(npy_intp step, npy_intp item)
{
    return step > 0 ? step / item : 1; /* 0 only where there is a single entry */
}

static int (*mkl_set_threads)(int);

#define PRODUCTS(name, type)                                                                                           \
    static void (*mkl_gemm_##name)(int, int, int, int64_t, int64_t, int64_t, type, const void *, int64_t,              \
                                   const void *, int64_t, type, void *, int64_t);                                      \
    static void (*mkl_gemv_##name)(int, int, int64_t, int64_t, type, const void *, int64_t, const void *, int64_t,     \
                                   type, void *, int64_t);                                                             \
    static void mkl_##name(char **args, const npy_intp *dims, const npy_intp *steps, void *NPY_UNUSED(data))           \
    {                                                                                                                  \
        npy_intp n = dims[1], k = dims[2], m = dims[3], item = sizeof(type);                                           \
        Layout a = layout_of(n, k, steps[3], steps[4], item), b = layout_of(k, m, steps[5], steps[6], item);           \
        Layout c = layout_of(n, m, steps[7], steps[8], item);                                                          \
        int before = mkl_set_threads(1);                                                                               \
        for (npy_intp i = 0; i < dims[0]; i++) {                                                                       \
            const char *A = args[0] + i * steps[0], *B = args[1] + i * steps[1];                                       \
            char *C = args[2] + i * steps[2];                                                                          \
            if (n == 1) {                                                                                              \
                mkl_gemv_##name(b.rows ? ROW_MAJOR : COLUMN_MAJOR, TRANSPOSED, k, m, 1, B, b.ld, A,                    \
                                increment(steps[4], item), 0, C, increment(steps[8], item));                           \
            }                                                                                                          \
            else if (m == 1) {                                                                                         \
                mkl_gemv_##name(a.rows ? ROW_MAJOR : COLUMN_MAJOR, AS_IT_IS, n, k, 1, A, a.ld, B,                      \
                                increment(steps[5], item), 0, C, increment(steps[7], item));                           \
            }                                                                                                          \
            else {                                                                                                     \
                mkl_gemm_##name(c.rows ? ROW_MAJOR : COLUMN_MAJOR, a.rows == c.rows ? AS_IT_IS : TRANSPOSED,           \
                                b.rows == c.rows ? AS_IT_IS : TRANSPOSED, n, m, k, 1, A, a.ld, B, b.ld, 0, C, c.ld);   \
            }                                                                                                          \
        }                                                                                                              \
        mkl_set_threads(before);                                                                                       \
    }
PRODUCTS(f, float)
PRODUCTS(d, double)

static PyObject *
mkl(PyObject *NPY_UNUSED(module), PyObject *args)
{
    unsigned long long at[5];
    if (!PyArg_ParseTuple(args, "KKKKK", at, at + 1, at + 2, at + 3, at + 4)) {
        return NULL;
    }
    memcpy(&mkl_gemm_f, at, sizeof *at);
    memcpy(&mkl_gemv_f, at + 1, sizeof *at);
    memcpy(&mkl_gemm_d, at + 2, sizeof *at);
    memcpy(&mkl_gemv_d, at + 3, sizeof *at);
    memcpy(&mkl_set_threads, at + 4, sizeof *at);
    Py_RETURN_NONE;
}

/* Sparse matrices as compressed rows: entries, their columns, where each row begins. A product adds up in the order in
   which entries are kept, as scipy's; it takes some vectors at once, so that additions needn't wait for each other. The
   other loop writes a row of the matrix itself, once for each sample. */
#define SPARSE(name, type, place)                                                                                      \
    static void sparse_##name(char **args, const npy_intp *dims, const npy_intp *steps, void *NPY_UNUSED(data))        \
    {                                                                                                                  \
        const type *entries = (const type *)args[0];                                                                   \
        const place *columns = (const place *)args[1], *first = (const place *)args[2];                                \
        const npy_intp in = steps[3] / (npy_intp)sizeof(type), out = steps[4] / (npy_intp)sizeof(type);                \
        npy_intp r = 0;                                                                                                \
        for (; r + 4 <= dims[0]; r += 4) {                                                                             \
            const type *v = (const type *)args[3] + r * in;                                                            \
            type *to = (type *)args[4] + r * out;                                                                      \
            for (npy_intp i = 0; i < dims[1]; i++) {                                                                   \
                type a = 0, b = 0, c = 0, d = 0;                                                                       \
                for (place k = first[i]; k < first[i + 1]; k++) {                                                      \
                    const type entry = entries[k], *at = v + columns[k];                                               \
                    a += entry * at[0], b += entry * at[in], c += entry * at[2 * in], d += entry * at[3 * in];         \
                }                                                                                                      \
                to[i] = a, to[i + out] = b, to[i + 2 * out] = c, to[i + 3 * out] = d;                                  \
            }                                                                                                          \
        }                                                                                                              \
        for (; r < dims[0]; r++) {                                                                                     \
            const type *v = (const type *)args[3] + r * in;                                                            \
            type *to = (type *)args[4] + r * out;                                                                      \
            for (npy_intp i = 0; i < dims[1]; i++) {                                                                   \
                type sum = 0;                                                                                          \
                for (place k = first[i]; k < first[i + 1]; k++) {                                                      \
                    sum += entries[k] * v[columns[k]];                                                                 \
                }                                                                                                      \
                to[i] = sum;                                                                                           \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void sparse_rows_##name(char **args, const npy_intp *dims, const npy_intp *steps, void *NPY_UNUSED(data))   \
    {                                                                                                                  \
        const type *entries = (const type *)args[0];                                                                   \
        const place *columns = (const place *)args[1], *first = (const place *)args[2];                                \
        for (npy_intp n = 0; n < dims[0]; n++) {                                                                       \
            char *to = args[3] + n * steps[3];                                                                         \
            for (npy_intp j = 0; j < dims[1]; j++) {                                                                   \
                *(type *)(to + j * steps[4]) = 0;                                                                      \
            }                                                                                                          \
            for (place k = first[0]; k < first[1]; k++) {                                                              \
                *(type *)(to + columns[k] * steps[4]) += entries[k];                                                   \
            }                                                                                                          \
        }                                                                                                              \
    }
SPARSE(di, double, int32_t)
SPARSE(dl, double, int64_t)
SPARSE(fi, float, int32_t)
SPARSE(fl, float, int64_t)

/* Products with the entries of z that are not zero, which are looked for eight at a time: z W^T row by row, and q^T z,
   which adds each row of q to columns of the result. They add up in the order of scipy's. */
#define NONZEROS(name, type)                                                                                           \
    static npy_intp next_##name(const char *z, npy_intp step, npy_intp k, npy_intp n)                                  \
    {                                                                                                                  \
        while (step == sizeof(type) && k + 8 <= n) {                                                                   \
            const type *at = (const type *)z + k;                                                                      \
            int found = 0;                                                                                             \
            for (int i = 0; i < 8; i++) {                                                                              \
                found |= at[i] != 0;                                                                                   \
            }                                                                                                          \
            if (found) {                                                                                               \
                break;                                                                                                 \
            }                                                                                                          \
            k += 8;                                                                                                    \
        }                                                                                                              \
        while (k < n && *(const type *)(z + k * step) == 0) {                                                          \
            k++;                                                                                                       \
        }                                                                                                              \
        return k;                                                                                                      \
    }                                                                                                                  \
    static void nonzeros_##name(char **args, const npy_intp *dims, const npy_intp *steps, void *NPY_UNUSED(data))      \
    {                                                                                                                  \
        for (npy_intp n = 0; n < dims[0]; n++) {                                                                       \
            const char *z = args[0] + n * steps[0];                                                                    \
            char *to = args[2] + n * steps[2];                                                                         \
            for (npy_intp j = 0; j < dims[2]; j++) {                                                                   \
                *(type *)(to + j * steps[6]) = 0;                                                                      \
            }                                                                                                          \
            for (npy_intp k = -1; (k = next_##name(z, steps[3], k + 1, dims[1])) < dims[1];) {                         \
                const type entry = *(const type *)(z + k * steps[3]);                                                  \
                const char *column = args[1] + k * steps[5];                                                           \
                for (npy_intp j = 0; j < dims[2]; j++) {                                                               \
                    *(type *)(to + j * steps[6]) += entry * *(const type *)(column + j * steps[4]);                    \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void nonzeros_sum_##name(char **args, const npy_intp *dims, const npy_intp *steps, void *NPY_UNUSED(data))  \
    {                                                                                                                  \
        for (npy_intp j = 0; j < dims[2]; j++) {                                                                       \
            for (npy_intp k = 0; k < dims[3]; k++) {                                                                   \
                *(type *)(args[2] + j * steps[7] + k * steps[8]) = 0;                                                  \
            }                                                                                                          \
        }                                                                                                              \
        for (npy_intp n = 0; n < dims[1]; n++) {                                                                       \
            const char *q = args[0] + n * steps[3], *z = args[1] + n * steps[5];                                       \
            for (npy_intp k = -1; (k = next_##name(z, steps[6], k + 1, dims[3])) < dims[3];) {                         \
                const type entry = *(const type *)(z + k * steps[6]);                                                  \
                char *column = args[2] + k * steps[8];                                                                 \
                for (npy_intp j = 0; j < dims[2]; j++) {                                                               \
                    *(type *)(column + j * steps[7]) += entry * *(const type *)(q + j * steps[4]);                     \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
NONZEROS(d, double)
NONZEROS(f, float)

static const struct {
    const char *name;
    PyUFuncGenericFunction loop;
} KERNELS[] = {
    {"nonzeros_d", (PyUFuncGenericFunction)nonzeros_d}, {"nonzeros_sum_d", (PyUFuncGenericFunction)nonzeros_sum_d},
    {"nonzeros_f", (PyUFuncGenericFunction)nonzeros_f}, {"nonzeros_sum_f", (PyUFuncGenericFunction)nonzeros_sum_f},
    {"sparse_di", (PyUFuncGenericFunction)sparse_di}, {"sparse_rows_di", (PyUFuncGenericFunction)sparse_rows_di},
    {"sparse_dl", (PyUFuncGenericFunction)sparse_dl}, {"sparse_rows_dl", (PyUFuncGenericFunction)sparse_rows_dl},
    {"sparse_fi", (PyUFuncGenericFunction)sparse_fi}, {"sparse_rows_fi", (PyUFuncGenericFunction)sparse_rows_fi},
    {"sparse_fl", (PyUFuncGenericFunction)sparse_fl}, {"sparse_rows_fl", (PyUFuncGenericFunction)sparse_rows_fl},
    {"copy1", (PyUFuncGenericFunction)copy_1},     {"copy4", (PyUFuncGenericFunction)copy_4},
    {"copy8", (PyUFuncGenericFunction)copy_8},     {"select1", (PyUFuncGenericFunction)select_1},
    {"select4", (PyUFuncGenericFunction)select_4}, {"select8", (PyUFuncGenericFunction)select_8},
    {"cast_fd", (PyUFuncGenericFunction)cast_fd},  {"cast_df", (PyUFuncGenericFunction)cast_df},
    {"cast_?f", (PyUFuncGenericFunction)cast_bf},  {"cast_?d", (PyUFuncGenericFunction)cast_bd},
    {"cast_?l", (PyUFuncGenericFunction)cast_bl},  {"cast_lf", (PyUFuncGenericFunction)cast_lf},
    {"cast_ld", (PyUFuncGenericFunction)cast_ld},  {"cast_f?", (PyUFuncGenericFunction)cast_fb},
    {"cast_d?", (PyUFuncGenericFunction)cast_db},  {"cast_l?", (PyUFuncGenericFunction)cast_lb},
    {"add_f", (PyUFuncGenericFunction)add_f},      {"add_d", (PyUFuncGenericFunction)add_d},
    {"subtract_f", (PyUFuncGenericFunction)subtract_f}, {"subtract_d", (PyUFuncGenericFunction)subtract_d},
    {"rows_copy4", (PyUFuncGenericFunction)rows_4},  {"rows_copy8", (PyUFuncGenericFunction)rows_8},
    {"multiply_f", (PyUFuncGenericFunction)multiply_f}, {"multiply_d", (PyUFuncGenericFunction)multiply_d},
    {"mkl_f", (PyUFuncGenericFunction)mkl_f},      {"mkl_d", (PyUFuncGenericFunction)mkl_d},
    {"row_sums_f", (PyUFuncGenericFunction)row_sums_f}, {"row_sums_d", (PyUFuncGenericFunction)row_sums_d},
    {"column_sums_f", (PyUFuncGenericFunction)column_sums_f},
    {"column_sums_d", (PyUFuncGenericFunction)column_sums_d},
    {"absolute_f", (PyUFuncGenericFunction)absolute_f}, {"absolute_d", (PyUFuncGenericFunction)absolute_d},
};

static PyObject *
kernels(PyObject *NPY_UNUSED(module), PyObject *NPY_UNUSED(unused))
{
    PyObject *found = PyDict_New();
    for (size_t k = 0; found && k < sizeof KERNELS / sizeof *KERNELS; k++) {
        PyObject *address = PyLong_FromVoidPtr((void *)KERNELS[k].loop);
        if (!address || PyDict_SetItemString(found, KERNELS[k].name, address) < 0) {
            Py_CLEAR(found);
        }
        Py_XDECREF(address);
    }
    return found;
}

static PyObject *
loop_of(PyObject *NPY_UNUSED(module), PyObject *args)
{
    PyObject *given;
    int k;
    if (!PyArg_ParseTuple(args, "Oi", &given, &k)) {
        return NULL;
    }
    if (!PyObject_TypeCheck(given, &PyUFunc_Type)) {
        return PyErr_Format(PyExc_TypeError, "expected a ufunc, got %R", given);
    }
    PyUFuncObject *ufunc = (PyUFuncObject *)given;
    if (k < 0 || k >= ufunc->ntypes || !ufunc->functions || !ufunc->functions[k]) {
        return PyErr_Format(PyExc_ValueError, "%R has no inner loop number %d", given, k);
    }
    void *data = ufunc->data ? (void *)ufunc->data[k] : NULL;
    return Py_BuildValue("NN", PyLong_FromVoidPtr((void *)ufunc->functions[k]), PyLong_FromVoidPtr(data));
}

static void
free_program(PyObject *capsule)
{
    Program *program = PyCapsule_GetPointer(capsule, "prograd.tape.program");
    if (program) {
        free(program->words);
        free(program);
    }
}

static PyObject *
program(PyObject *NPY_UNUSED(module), PyObject *args)
{
    Py_buffer given, sizes;
    Py_ssize_t scratch;
    int large;
    if (!PyArg_ParseTuple(args, "y*ny*p", &given, &scratch, &sizes, &large)) {
        return NULL;
    }
    int arrays = (int)(sizes.len / (Py_ssize_t)sizeof(word));
    PyObject *capsule = NULL;
    Program *made = calloc(1, sizeof(Program));
    word *words = malloc(given.len ? given.len : 1);
    if (!made || !words || arrays + 2 > MAX_BASES) {
        free(made);
        free(words);
        PyErr_NoMemory();
    }
    else {
        memcpy(words, given.buf, given.len);
        *made = (Program){words, given.len / (Py_ssize_t)sizeof(word), (size_t)scratch, arrays + 2, large, 0, {0}};
        for (const word *group = words; large && group < words + made->count; group = after(group)) {
            made->shares |= group[3] && group[1] > group[2];
        }
        memcpy(made->sizes, sizes.buf, sizes.len);
        capsule = PyCapsule_New(made, "prograd.tape.program", free_program);
    }
    PyBuffer_Release(&given);
    PyBuffer_Release(&sizes);
    return capsule;
}

/* run(program, threads, whole, array, …): the floating point errors that were raised. */
static PyObject *
run(PyObject *NPY_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count < 3) {
        PyErr_SetString(PyExc_TypeError, "expected a program, a number of threads, a flag, and arrays");
        return NULL;
    }
    Program *program = PyCapsule_GetPointer(args[0], "prograd.tape.program");
    if (!program) {
        return NULL;
    }
    int threads = (int)PyLong_AsLong(args[1]), whole = PyObject_IsTrue(args[2]);
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (count - 3 != program->bases - 2) {
        return PyErr_Format(PyExc_TypeError, "expected %d arrays, got %zd", program->bases - 2, count - 3);
    }
    char *bases[MAX_BASES];
    bases[0] = NULL;
    for (Py_ssize_t k = 3; k < count; k++) {
        if (!PyArray_Check(args[k])) {
            return PyErr_Format(PyExc_TypeError, "expected an array, got %R", args[k]);
        }
        PyArrayObject *array = (PyArrayObject *)args[k];
        word size = program->sizes[k - 3];
        if (PyArray_NBYTES(array) != (size < 0 ? -size : size) || !PyArray_ISCARRAY_RO(array)
            || (size < 0 && !PyArray_ISWRITEABLE(array))) {
            return PyErr_Format(PyExc_ValueError, "expected a contiguous array of %zd bytes, got one of %zd",
                                (Py_ssize_t)(size < 0 ? -size : size), (Py_ssize_t)PyArray_NBYTES(array));
        }
        bases[k - 1] = PyArray_DATA(array);
    }
    char *scratch = NULL;
    size_t size = 0;
    if (program->scratch) {
        scratch = scratch_take(program->scratch, &size);
        if (!scratch) {
            return PyErr_NoMemory();
        }
    }
    bases[1] = (char *)(((uintptr_t)scratch + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    int generation = blas_begin(&threads);
    int raised;
    if (program->large) {
        Py_BEGIN_ALLOW_THREADS
        raised = run_program(program, bases, threads, whole);
        Py_END_ALLOW_THREADS
    }
    else {
        raised = run_program(program, bases, 1, whole);
    }
    blas_end(generation);
    if (scratch) {
        scratch_give(scratch, size);
    }
    if (PyErr_Occurred()) { /* a loop has raised */
        return NULL;
    }
    return PyLong_FromLong(raised);
}

/* Memory for large results. The system clears fresh pages, which can take longer than the arithmetic that fills them, so
   what a result leaves is kept for the next of its size. An array knows who frees its memory: these functions. */

static struct {
    void *memory[KEPT];
    size_t size[KEPT];
    size_t total;
    int next;
} kept;

/* Asks for pages of 2 MiB, which the system clears in a sixth of the time, and which the processor finds faster. */
static void *
large_pages(void *memory, size_t size)
{
#ifdef MADV_HUGEPAGE
    if (size >= HUGE_PAGE) {
        madvise(memory, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    }
#else
    (void)size;
#endif
    return memory;
}

static void *
result_malloc(void *NPY_UNUSED(context), size_t size)
{
    for (int k = 0; k < KEPT; k++) {
        if (kept.memory[k] && kept.size[k] == size) {
            void *memory = kept.memory[k];
            kept.memory[k] = NULL;
            kept.total -= size;
            return memory;
        }
    }
    void *memory = NULL;
    return posix_memalign(&memory, size < HUGE_PAGE ? ALIGNMENT : HUGE_PAGE, size) ? NULL : large_pages(memory, size);
}

static void *
result_calloc(void *NPY_UNUSED(context), size_t count, size_t size)
{
    return calloc(count, size);
}

static void *
result_realloc(void *NPY_UNUSED(context), void *memory, size_t size)
{
    return realloc(memory, size);
}

static void
result_free(void *NPY_UNUSED(context), void *memory, size_t size)
{
    if (!KEEPS || !memory || size > MOST_KEPT) {
        free(memory);
        return;
    }
    /* Places are taken in turns, so the next one holds the oldest. */
    int place = kept.next;
    for (int k = 0; k < KEPT && (k == 0 || kept.total + size > MOST_KEPT); k++) {
        int old = (place + k) % KEPT;
        if (kept.memory[old]) {
            kept.total -= kept.size[old];
            free(kept.memory[old]);
            kept.memory[old] = NULL;
        }
    }
    kept.memory[place] = memory, kept.size[place] = size;
    kept.total += size;
    kept.next = (place + 1) % KEPT;
}

static PyDataMem_Handler results = {
    "prograd_results", 1, {NULL, result_malloc, result_calloc, result_realloc, result_free},
};
static PyObject *results_handler;

static PyObject *
empty(PyObject *NPY_UNUSED(module), PyObject *args)
{
    PyArray_Dims shape = {NULL, 0};
    PyArray_Descr *dtype;
    if (!PyArg_ParseTuple(args, "O&O&", PyArray_IntpConverter, &shape, PyArray_DescrConverter, &dtype)) {
        return NULL;
    }
    PyObject *made = NULL, *before = PyDataMem_SetHandler(results_handler);
    if (before) {
        made = PyArray_Empty(shape.len, shape.ptr, dtype, 0); /* takes over dtype */
        Py_XDECREF(PyDataMem_SetHandler(before));
        Py_DECREF(before);
    }
    PyDimMem_FREE(shape.ptr);
    return made;
}

static PyMethodDef METHODS[] = {
    {"kernels", kernels, METH_NOARGS, "The machine's own loops: name -> address."},
    {"loop", loop_of, METH_VARARGS, "loop(ufunc, k): the address of an inner loop, and of its data."},
    {"program", program, METH_VARARGS, "program(words, scratch bytes, arrays, large): a program to run."},
    {"run", (PyCFunction)(void (*)(void))run, METH_FASTCALL,
     "run(program, threads, whole, array, …): runs it; returns the floating point errors that were raised. Threads 0 "
     "are as many as BLAS may use. With whole, nothing is cut into blocks."},
    {"empty", empty, METH_VARARGS, "empty(shape, dtype): memory for a large result, from what an earlier one has left."},
    {"alone", alone, METH_O, "alone(call): what call() returns, with BLAS at one thread."},
    {"blas", blas, METH_VARARGS, "blas(get, set): the addresses of BLAS's functions for its number of threads."},
    {"mkl", mkl, METH_VARARGS, "mkl(sgemm, sgemv, dgemm, dgemv, set threads): the addresses of MKL's functions."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "prograd.tape._machine", "Runs recorded tapes.", -1, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__machine(void)
{
    import_array();
    import_umath();
    team_init();
    results_handler = PyCapsule_New(&results, "mem_handler", NULL);
    if (!results_handler) {
        return NULL;
    }
    PyObject *module = PyModule_Create(&MODULE);
    if (module && PyModule_AddIntConstant(module, "VERSION", VERSION) < 0) {
        Py_CLEAR(module);
    }
    return module;
}
