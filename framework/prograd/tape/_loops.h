/* Loops of the machine's own, with the signature of numpy's: what no ufunc does, and what numpy's loops are slow at.

   Those in place of a ufunc's give numpy's bits: a sum adds in numpy's order, anything else is exact or rounds once. */

#if defined(__x86_64__) && defined(__GNUC__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif
#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif
#if defined(__GNUC__) && !defined(__clang__)
#define IN_PLACE _Pragma("GCC ivdep") /* a result lies beside its operands or exactly where one does */
#elif defined(__clang__)
#define IN_PLACE _Pragma("clang loop vectorize(assume_safety)")
#else
#define IN_PLACE
#endif

#define ITEM_LOOPS(name, type)                                                                                         \
    static void copy_##name(char **args, const npy_intp *dims, const npy_intp *steps, void *NPY_UNUSED(data))          \
    {                                                                                                                  \
        char *from = args[0], *to = args[1];                                                                           \
        if (steps[0] == sizeof(type) && steps[1] == sizeof(type)) {                                                    \
            memmove(to, from, dims[0] * sizeof(type));                                                                 \
            return;                                                                                                    \
        }                                                                                                              \
        for (npy_intp k = 0; k < dims[0]; k++, from += steps[0], to += steps[1]) {                                     \
            *(type *)to = *(type *)from;                                                                               \
        }                                                                                                              \
    }                                                                                                                  \
    WIDE static void select_##name(char **args, const npy_intp *dims, const npy_intp *steps, void *NPY_UNUSED(data))   \
    {                                                                                                                  \
        const npy_intp size = sizeof(type), count = dims[0]; /* no result is written over them */                \
        if (steps[0] == 1 && steps[3] == size && steps[1] % size == 0 && steps[1] <= size && steps[1] >= 0             \
            && steps[2] % size == 0 && steps[2] <= size && steps[2] >= 0) {                                            \
            const char *where = args[0];                                                                               \
            const type *one = (const type *)args[1], *other = (const type *)args[2];                                   \
            type *to = (type *)args[3];                                                                                \
            if (steps[1] && steps[2]) {                                                                                \
                IN_PLACE for (npy_intp k = 0; k < count; k++) {                                                      \
                    const type a = one[k], b = other[k];                                                               \
                    to[k] = where[k] ? a : b;                                                                          \
                }                                                                                                      \
            }                                                                                                          \
            else if (steps[1]) {                                                                                       \
                const type b = *other;                                                                                 \
                IN_PLACE for (npy_intp k = 0; k < count; k++) {                                                      \
                    const type a = one[k];                                                                             \
                    to[k] = where[k] ? a : b;                                                                          \
                }                                                                                                      \
            }                                                                                                          \
            else if (steps[2]) {                                                                                       \
                const type a = *one;                                                                                   \
                IN_PLACE for (npy_intp k = 0; k < count; k++) {                                                      \
                    const type b = other[k];                                                                           \
                    to[k] = where[k] ? a : b;                                                                          \
                }                                                                                                      \
            }                                                                                                          \
            else {                                                                                                     \
                const type a = *one, b = *other;                                                                       \
                IN_PLACE for (npy_intp k = 0; k < count; k++) {                                                      \
                    to[k] = where[k] ? a : b;                                                                          \
                }                                                                                                      \
            }                                                                                                          \
            return;                                                                                                    \
        }                                                                                                              \
        char *where = args[0], *one = args[1], *other = args[2], *to = args[3];                                        \
        for (npy_intp k = 0; k < count; k++) {                                                                       \
            type a = *(type *)one, b = *(type *)other;                                                                 \
            *(type *)to = *where ? a : b;                                                                              \
            where += steps[0], one += steps[1], other += steps[2], to += steps[3];                                     \
        }                                                                                                              \
    }
ITEM_LOOPS(1, uint8_t)
ITEM_LOOPS(4, uint32_t)
ITEM_LOOPS(8, uint64_t)

#define CAST(name, from_type, to_type, value)                                                                          \
    WIDE static void cast_##name(char **args, const npy_intp *dims, const npy_intp *steps, void *NPY_UNUSED(data))     \
    {                                                                                                                  \
        const npy_intp count = dims[0];                                                                                \
        char *from = args[0], *to = args[1];                                                                           \
        if (steps[0] == sizeof(from_type) && steps[1] == sizeof(to_type)) {                                            \
            const from_type *given = (const from_type *)from;                                                          \
            to_type *made = (to_type *)to;                                                                             \
            for (npy_intp k = 0; k < count; k++) {                                                                   \
                const from_type x = given[k];                                                                          \
                made[k] = (to_type)(value);                                                                            \
            }                                                                                                          \
            return;                                                                                                    \
        }                                                                                                              \
        for (npy_intp k = 0; k < count; k++, from += steps[0], to += steps[1]) {                                     \
            const from_type x = *(const from_type *)from;                                                              \
            *(to_type *)to = (to_type)(value);                                                                         \
        }                                                                                                              \
    }
CAST(fd, float, double, x)
CAST(df, double, float, x)
CAST(bf, uint8_t, float, x != 0)
CAST(bd, uint8_t, double, x != 0)
CAST(bl, uint8_t, int64_t, x != 0)
CAST(lf, int64_t, float, x)
CAST(ld, int64_t, double, x)
CAST(fb, float, uint8_t, x != 0)
CAST(db, double, uint8_t, x != 0)
CAST(lb, int64_t, uint8_t, x != 0)

/* Two axes at once: a bias, an outer product, rows times numbers. `steps` are those along the first axis, then those along
   the second, where each operand is contiguous or one number. */
#define TWO_AXES(name, type, operator)                                                                                 \
    WIDE static void name(char **args, const npy_intp *dims, const npy_intp *steps, void *NPY_UNUSED(data))            \
    {                                                                                                                  \
        const npy_intp count = dims[1];                                                                                \
        for (npy_intp i = 0; i < dims[0]; i++) {                                                                       \
            const type *a = (const type *)(args[0] + i * steps[0]), *b = (const type *)(args[1] + i * steps[1]);       \
            type *to = (type *)(args[2] + i * steps[2]);                                                               \
            if (steps[3] && steps[4]) {                                                                                \
                IN_PLACE for (npy_intp j = 0; j < count; j++) {                                                        \
                    to[j] = a[j] operator b[j];                                                                        \
                }                                                                                                      \
            }                                                                                                          \
            else if (steps[4]) {                                                                                       \
                const type number = *a;                                                                                \
                IN_PLACE for (npy_intp j = 0; j < count; j++) {                                                        \
                    to[j] = number operator b[j];                                                                      \
                }                                                                                                      \
            }                                                                                                          \
            else {                                                                                                     \
                const type number = *b;                                                                                \
                IN_PLACE for (npy_intp j = 0; j < count; j++) {                                                        \
                    to[j] = (steps[3] ? a[j] : *a) operator number;                                                    \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
TWO_AXES(add_f, float, +)
TWO_AXES(add_d, double, +)
TWO_AXES(subtract_f, float, -)
TWO_AXES(subtract_d, double, -)
TWO_AXES(multiply_f, float, *)
TWO_AXES(multiply_d, double, *)

/* Sums start + Σ a along one of two axes, in numpy's order: pairwise along the second axis, one after the other along the
   first. numpy's loop would be called for every row. `steps` are as above, for start, a and the result. */
#define LANES 8   /* partial sums of numpy's */
#define LEAF 128  /* entries that numpy adds up in these, and no more */
#define LEAVES 4  /* at a time: one addition need not wait for the last one */
#define STRIP 32  /* sums that are kept in registers */

#define SUMS(kind, type)                                                                                               \
    /* `LEAVES` sums of n entries, LANES <= n <= LEAF, which begin `apart` bytes from each other. */                   \
    INLINE void leaves_##kind(const void *first, npy_intp apart, npy_intp n, type *sums)                               \
    {                                                                                                                  \
        type r[LEAVES][LANES];                                                                                         \
        const type *a[LEAVES];                                                                                         \
        for (int leaf = 0; leaf < LEAVES; leaf++) {                                                                    \
            a[leaf] = (const type *)((const char *)first + leaf * apart);                                              \
            for (int k = 0; k < LANES; k++) {                                                                          \
                r[leaf][k] = a[leaf][k];                                                                               \
            }                                                                                                          \
        }                                                                                                              \
        npy_intp i = LANES;                                                                                            \
        for (; i < n - n % LANES; i += LANES) {                                                                        \
            for (int leaf = 0; leaf < LEAVES; leaf++) {                                                                \
                for (int k = 0; k < LANES; k++) {                                                                      \
                    r[leaf][k] += a[leaf][i + k];                                                                      \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        for (int leaf = 0; leaf < LEAVES; leaf++) {                                                                    \
            const type *s = r[leaf];                                                                                   \
            type sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));                              \
            for (npy_intp k = i; k < n; k++) {                                                                         \
                sum += a[leaf][k];                                                                                     \
            }                                                                                                          \
            sums[leaf] = sum;                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    WIDE static type pairwise_##kind(const char *a, npy_intp n, npy_intp step)                                         \
    {                                                                                                                  \
        if (step == sizeof(type) && n > 2 * LEAF && n <= LEAVES * LEAF && n % (LEAVES * LANES) == 0) {                 \
            type sums[LEAVES];                                                                                         \
            leaves_##kind(a, n / LEAVES * step, n / LEAVES, sums);                                                     \
            return (sums[0] + sums[1]) + (sums[2] + sums[3]);                                                          \
        }                                                                                                              \
        if (n > LEAF) {                                                                                                \
            npy_intp half = n / 2 - n / 2 % LANES;                                                                     \
            return pairwise_##kind(a, half, step) + pairwise_##kind(a + half * step, n - half, step);                  \
        }                                                                                                              \
        type r[LANES], sum = (type)-0.0;                                                                               \
        npy_intp i = 0;                                                                                                \
        if (n >= LANES) {                                                                                              \
            for (; i < LANES; i++) {                                                                                   \
                r[i] = *(const type *)(a + i * step);                                                                  \
            }                                                                                                          \
            for (; i < n - n % LANES; i += LANES) {                                                                    \
                for (int k = 0; k < LANES; k++) {                                                                      \
                    r[k] += *(const type *)(a + (i + k) * step);                                                       \
                }                                                                                                      \
            }                                                                                                          \
            sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));                                   \
        }                                                                                                              \
        for (; i < n; i++) {                                                                                           \
            sum += *(const type *)(a + i * step);                                                                      \
        }                                                                                                              \
        return sum;                                                                                                    \
    }                                                                                                                  \
    WIDE static void row_sums_##kind(char **args, const npy_intp *dims, const npy_intp *steps, void *NPY_UNUSED(data)) \
    {                                                                                                                  \
        const char *start = args[0], *a = args[1];                                                                     \
        char *to = args[2];                                                                                            \
        npy_intp i = 0;                                                                                                \
        if (steps[4] == sizeof(type) && dims[1] >= LANES && dims[1] <= LEAF) {                                         \
            for (; i + LEAVES <= dims[0]; i += LEAVES) {                                                               \
                type sums[LEAVES];                                                                                     \
                leaves_##kind(a + i * steps[1], steps[1], dims[1], sums);                                              \
                for (int k = 0; k < LEAVES; k++) {                                                                     \
                    *(type *)(to + (i + k) * steps[2]) = *(const type *)(start + (i + k) * steps[0]) + sums[k];        \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        for (; i < dims[0]; i++) {                                                                                     \
            *(type *)(to + i * steps[2]) =                                                                             \
                *(const type *)(start + i * steps[0]) + pairwise_##kind(a + i * steps[1], dims[1], steps[4]);          \
        }                                                                                                              \
    }                                                                                                                  \
    WIDE static void column_sums_##kind(char **args, const npy_intp *dims, const npy_intp *steps, void *NPY_UNUSED(data)) \
    {                                                                                                                  \
        for (npy_intp j = 0; j < dims[1]; j += STRIP) {                                                                \
            npy_intp width = dims[1] - j < STRIP ? dims[1] - j : STRIP;                                                \
            type sums[STRIP];                                                                                          \
            for (npy_intp k = 0; k < width; k++) {                                                                     \
                sums[k] = *(const type *)(args[0] + (j + k) * steps[3]);                                               \
            }                                                                                                          \
            const char *a = args[1] + j * sizeof(type);                                                                \
            if (width == STRIP) {                                                                                      \
                for (npy_intp i = 0; i < dims[0]; i++) {                                                               \
                    for (int k = 0; k < STRIP; k++) {                                                                  \
                        sums[k] += ((const type *)(a + i * steps[1]))[k];                                              \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
            else {                                                                                                     \
                for (npy_intp i = 0; i < dims[0]; i++) {                                                               \
                    for (npy_intp k = 0; k < width; k++) {                                                             \
                        sums[k] += ((const type *)(a + i * steps[1]))[k];                                              \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
            memcpy(args[2] + j * sizeof(type), sums, width * sizeof(type));                                            \
        }                                                                                                              \
    }
SUMS(f, float)
SUMS(d, double)

/* numpy's own is slower. */
#define ABSOLUTE(kind, type, function)                                                                                 \
    WIDE static void absolute_##kind(char **args, const npy_intp *dims, const npy_intp *NPY_UNUSED(steps),             \
                                     void *NPY_UNUSED(data))                                                           \
    {                                                                                                                  \
        const type *a = (const type *)args[0];                                                                         \
        type *to = (type *)args[1];                                                                                    \
        IN_PLACE for (npy_intp k = 0; k < dims[0]; k++) {                                                              \
            to[k] = function(a[k]);                                                                                    \
        }                                                                                                              \
    }
ABSOLUTE(f, float, __builtin_fabsf)
ABSOLUTE(d, double, __builtin_fabs)

static const struct {
    const char *name;
    PyUFuncGenericFunction loop;
} KERNELS[] = {
#define KERNEL(name, function) {name, (PyUFuncGenericFunction)function}
    KERNEL("copy1", copy_1), KERNEL("copy4", copy_4), KERNEL("copy8", copy_8),
    KERNEL("select1", select_1), KERNEL("select4", select_4), KERNEL("select8", select_8),
    KERNEL("cast_fd", cast_fd), KERNEL("cast_df", cast_df), KERNEL("cast_?f", cast_bf), KERNEL("cast_?d", cast_bd),
    KERNEL("cast_?l", cast_bl), KERNEL("cast_lf", cast_lf), KERNEL("cast_ld", cast_ld), KERNEL("cast_f?", cast_fb),
    KERNEL("cast_d?", cast_db), KERNEL("cast_l?", cast_lb),
    KERNEL("add_f", add_f), KERNEL("add_d", add_d), KERNEL("subtract_f", subtract_f), KERNEL("subtract_d", subtract_d),
    KERNEL("multiply_f", multiply_f), KERNEL("multiply_d", multiply_d),
    KERNEL("row_sums_f", row_sums_f), KERNEL("row_sums_d", row_sums_d),
    KERNEL("column_sums_f", column_sums_f), KERNEL("column_sums_d", column_sums_d),
    KERNEL("absolute_f", absolute_f), KERNEL("absolute_d", absolute_d),
};
