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
#define ENTRY_BY_ENTRY _Pragma("GCC ivdep") /* no operand lies in the result, unless entry by entry */
#elif defined(__clang__)
#define ENTRY_BY_ENTRY _Pragma("clang loop vectorize(assume_safety)")
#else
#define ENTRY_BY_ENTRY
#endif

#if defined(__clang__)
#define UNROLL(times) _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define UNROLL(times) _Pragma("GCC unroll 4")
#else
#define UNROLL(times)
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
                ENTRY_BY_ENTRY for (npy_intp k = 0; k < count; k++) {                                                      \
                    const type a = one[k], b = other[k];                                                               \
                    to[k] = where[k] ? a : b;                                                                          \
                }                                                                                                      \
            }                                                                                                          \
            else if (steps[1]) {                                                                                       \
                const type b = *other;                                                                                 \
                ENTRY_BY_ENTRY for (npy_intp k = 0; k < count; k++) {                                                      \
                    const type a = one[k];                                                                             \
                    to[k] = where[k] ? a : b;                                                                          \
                }                                                                                                      \
            }                                                                                                          \
            else if (steps[2]) {                                                                                       \
                const type a = *one;                                                                                   \
                ENTRY_BY_ENTRY for (npy_intp k = 0; k < count; k++) {                                                      \
                    const type b = other[k];                                                                           \
                    to[k] = where[k] ? a : b;                                                                          \
                }                                                                                                      \
            }                                                                                                          \
            else {                                                                                                     \
                const type a = *one, b = *other;                                                                       \
                ENTRY_BY_ENTRY for (npy_intp k = 0; k < count; k++) {                                                      \
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

/* Three axes at once: a bias, an outer product, rows times numbers, copies of rows. `steps` are those along the first axis,
   then along the second, then along the third, where each operand is contiguous or one number. No operand lies in the
   result, unless entry by entry. The processor does not foresee in time what is written next in a result larger than its
   caches, so the loop asks for it, some `bytes` ahead. */

static inline void
foresee(const char *at, npy_intp size)
{
#ifdef __GNUC__
    for (npy_intp k = 0; k < size; k += ALIGNMENT) {
        __builtin_prefetch(at + k, 1);
    }
#endif
}

/* How many rows ahead a number of bytes is; at most a part. */
static inline npy_intp
rows_ahead(npy_intp bytes, npy_intp size, npy_intp rows)
{
    npy_intp ahead = bytes / (size ? size : 1);
    return bytes == 0 ? 0 : ahead < 1 ? 1 : ahead < rows ? ahead : rows;
}

#define ROWS(type, operands, value)                                                                                    \
    for (npy_intp k = 0; k < dims[0]; k++) {                                                                           \
        for (npy_intp i = 0; i < dims[1]; i++) {                                                                       \
            char *row = args[operands] + k * steps[operands] + i * steps[2 * operands + 1];                            \
            const type *a = (const type *)(args[0] + k * steps[0] + i * steps[operands + 1]);                          \
            const type *b = (const type *)(args[operands - 1] + k * steps[operands - 1] + i * steps[2 * operands]);    \
            const type first = *a, other = *b;                                                                         \
            (void)first, (void)other;                                                                                  \
            if (ahead) {                                                                                               \
                npy_intp next = i + ahead, part = next < dims[1] ? 0 : 1;                                              \
                foresee(row + part * steps[operands] + (ahead - part * dims[1]) * steps[2 * operands + 1], size);      \
            }                                                                                                          \
            type *to = (type *)row;                                                                                    \
            ENTRY_BY_ENTRY                                                                                             \
            for (npy_intp j = 0; j < n; j++) {                                                                         \
                to[j] = value;                                                                                         \
            }                                                                                                          \
        }                                                                                                              \
    }

#define AHEAD(type)                                                                                                    \
    npy_intp n = dims[2], size = n * (npy_intp)sizeof(type), ahead = rows_ahead((intptr_t)bytes, size, dims[1])

#define THREE_AXES(name, type, operator)                                                                               \
    WIDE static void name(char **args, const npy_intp *dims, const npy_intp *steps, void *bytes)                       \
    {                                                                                                                  \
        AHEAD(type);                                                                                                   \
        if (steps[6] && steps[7]) {                                                                                    \
            ROWS(type, 2, a[j] operator b[j])                                                                          \
        }                                                                                                              \
        else if (steps[7]) {                                                                                           \
            ROWS(type, 2, first operator b[j])                                                                         \
        }                                                                                                              \
        else if (steps[6]) {                                                                                           \
            ROWS(type, 2, a[j] operator other)                                                                         \
        }                                                                                                              \
        else {                                                                                                         \
            ROWS(type, 2, first operator other)                                                                        \
        }                                                                                                              \
    }
THREE_AXES(add_f, float, +)
THREE_AXES(add_d, double, +)
THREE_AXES(subtract_f, float, -)
THREE_AXES(subtract_d, double, -)
THREE_AXES(multiply_f, float, *)
THREE_AXES(multiply_d, double, *)

#define COPIED_ROWS(name, type)                                                                                        \
    WIDE static void name(char **args, const npy_intp *dims, const npy_intp *steps, void *bytes)                       \
    {                                                                                                                  \
        AHEAD(type);                                                                                                   \
        if (steps[4]) {                                                                                                \
            ROWS(type, 1, a[j])                                                                                        \
        }                                                                                                              \
        else {                                                                                                         \
            ROWS(type, 1, first)                                                                                       \
        }                                                                                                              \
    }
COPIED_ROWS(rows_4, uint32_t)
COPIED_ROWS(rows_8, uint64_t)

/* Sums start + Σ a along one of two axes, in numpy's order: pairwise along the second axis, one after the other along the
   first. numpy's loop would be called for every row. `steps` are as above, for start, a and the result. */
#define LANES 8   /* partial sums of numpy's */
#define LEAF 128  /* entries that numpy adds up in these, and no more */
#define LEAVES 4  /* at a time: one addition need not wait for the last one */
#define VECTOR 32 /* bytes */
#define STRIP 32  /* sums that are kept in registers */

#define SUMS(kind, type)                                                                                               \
    typedef type vector_##kind __attribute__((vector_size(VECTOR)));                                                   \
    enum { VECTORS_##kind = LANES * sizeof(type) / VECTOR };                                                           \
    /* `LEAVES` sums of n entries, LANES <= n <= LEAF, which begin `apart` bytes from each other. */                   \
    INLINE void leaves_##kind(const char *a, npy_intp apart, npy_intp n, type *sums)                                   \
    {                                                                                                                  \
        const npy_intp whole = n - n % LANES;                                                                          \
        vector_##kind r[LEAVES][VECTORS_##kind], next;                                                                 \
        UNROLL(LEAVES) for (int leaf = 0; leaf < LEAVES; leaf++) {                                                     \
            memcpy(r[leaf], a + leaf * apart, sizeof r[leaf]);                                                         \
        }                                                                                                              \
        for (npy_intp i = LANES; i < whole; i += LANES) {                                                              \
            const char *at = a + i * (npy_intp)sizeof(type);                                                           \
            UNROLL(LEAVES) for (int leaf = 0; leaf < LEAVES; leaf++) {                                                 \
                UNROLL(2) for (int k = 0; k < VECTORS_##kind; k++) {                                                   \
                    memcpy(&next, at + leaf * apart + k * VECTOR, VECTOR);                                             \
                    r[leaf][k] += next;                                                                                \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        for (int leaf = 0; leaf < LEAVES; leaf++) {                                                                    \
            type s[LANES];                                                                                             \
            memcpy(s, r[leaf], sizeof s);                                                                              \
            type sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));                              \
            for (npy_intp k = whole; k < n; k++) {                                                                     \
                sum += ((const type *)(a + leaf * apart))[k];                                                          \
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
        npy_intp n = dims[1], parts = n > LEAF ? 2 : 1; /* leaves of a row */                                          \
        int even = n >= LANES && n <= 2 * LEAF && (parts == 1 || (n % (2 * LANES) == 0 && steps[1] == n * steps[4]));  \
        if (steps[4] == sizeof(type) && even) {                                                                        \
            for (; i + LEAVES / parts <= dims[0]; i += LEAVES / parts) {                                               \
                type sums[LEAVES];                                                                                     \
                leaves_##kind(a + i * steps[1], steps[1] / parts, n / parts, sums);                                    \
                for (int k = 0; k < LEAVES / parts; k++) {                                                             \
                    type sum = parts == 1 ? sums[k] : sums[2 * k] + sums[2 * k + 1];                                   \
                    *(type *)(to + (i + k) * steps[2]) = *(const type *)(start + (i + k) * steps[0]) + sum;            \
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
        ENTRY_BY_ENTRY for (npy_intp k = 0; k < dims[0]; k++) {                                                              \
            to[k] = function(a[k]);                                                                                    \
        }                                                                                                              \
    }
ABSOLUTE(f, float, __builtin_fabsf)
ABSOLUTE(d, double, __builtin_fabs)
