/* Helpers that share a group's blocks with the thread that runs a program.

   Whoever is there claims the next block; the caller goes on alone where no helper comes, and at a group's end it waits
   only for blocks that a helper has begun. So a busy machine is never slower than one thread by more than a block.
   Blocks are cut by shape, so no result depends on who computed them. */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define MAX_HELPERS 63
#define SPINS 2000        /* some tens of microseconds */
#define YIELD_AFTER 2000

#if defined(__x86_64__) || defined(__i386__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

static struct {
    pthread_mutex_t owner;             /* held by the run that the helpers work for */
    pthread_mutex_t lock;              /* for `wake` and `sleeping` */
    pthread_cond_t wake;
    int sleeping;
    int helpers;
    atomic_int wanted;                 /* those helpers whose number is smaller take part */
    atomic_int running;                /* a run is going on: spin, don't sleep */
    _Atomic uint64_t ticket;           /* the number of a group, and of its next block */
    _Atomic(const word *) group;
    _Atomic(char *const *) bases;
    atomic_long blocks;
    atomic_long done;
    atomic_int raised;
} team = {.owner = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* Claims the next block of the present group and runs it; false where there is none. */
static int
team_take(void)
{
    uint64_t ticket = atomic_load_explicit(&team.ticket, memory_order_acquire);
    const word *group = atomic_load_explicit(&team.group, memory_order_relaxed);
    char *const *bases = atomic_load_explicit(&team.bases, memory_order_relaxed);
    long blocks = atomic_load_explicit(&team.blocks, memory_order_relaxed);
    long k = (long)(ticket & 0xffffffffu);
    if (k >= blocks) {
        return 0;
    }
    /* Succeeds only while the group is still the one that was read above. */
    if (!atomic_compare_exchange_strong(&team.ticket, &ticket, ticket + 1)) {
        return 1;
    }
    int raised = block(group, bases, k);
    if (raised) {
        atomic_fetch_or(&team.raised, raised);
        feclearexcept(ERRORS);
    }
    atomic_fetch_add_explicit(&team.done, 1, memory_order_release);
    return 1;
}

/* Whether a run goes on in which this helper takes part. */
static int
called(int me)
{
    return atomic_load_explicit(&team.running, memory_order_relaxed)
           && me < atomic_load_explicit(&team.wanted, memory_order_relaxed);
}

static void *
helper(void *number)
{
    int me = (int)(intptr_t)number;
    fesetenv(FE_DFL_ENV); /* not the errors of the thread that made this one */
    for (;;) {
        for (int spins = 0; spins < SPINS; spins++) {
            if (called(me)) {
                spins = 0;
                if (team_take()) {
                    continue;
                }
            }
            PAUSE();
        }
        pthread_mutex_lock(&team.lock);
        team.sleeping++;
        while (!called(me)) {
            pthread_cond_wait(&team.wake, &team.lock);
        }
        team.sleeping--;
        pthread_mutex_unlock(&team.lock);
    }
    return NULL;
}

/* The helpers for a run, if no other run has them. */
static int
team_begin(int threads)
{
    if (pthread_mutex_trylock(&team.owner)) {
        return 0;
    }
    int wanted = (threads < MAX_HELPERS ? threads : MAX_HELPERS) - 1;
    sigset_t all, before; /* no signal of the application's ends up in a helper */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (team.helpers < wanted) {
        pthread_t made;
        if (pthread_create(&made, NULL, helper, (void *)(intptr_t)team.helpers)) {
            break;
        }
        pthread_detach(made);
        team.helpers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    atomic_store(&team.wanted, wanted);
    pthread_mutex_lock(&team.lock);
    atomic_store(&team.running, 1);
    if (team.sleeping) {
        pthread_cond_broadcast(&team.wake);
    }
    pthread_mutex_unlock(&team.lock);
    return 1;
}

static int
team_run(const word *group, char *const *bases, npy_intp blocks)
{
    uint64_t next = ((atomic_load(&team.ticket) >> 32) + 1) << 32;
    /* Closes the old group before its fields change: a claim made with old fields and the new number can't succeed. */
    atomic_store(&team.blocks, 0);
    atomic_store(&team.ticket, next | 0xffffffffu);
    atomic_store(&team.group, group);
    atomic_store(&team.bases, bases);
    atomic_store(&team.done, 0);
    atomic_store(&team.raised, 0);
    atomic_store(&team.blocks, (long)blocks);
    atomic_store_explicit(&team.ticket, next + (UINT64_C(1) << 32), memory_order_release);
    while (team_take()) {
    }
    for (int spins = 0; atomic_load_explicit(&team.done, memory_order_acquire) < blocks; spins++) {
        if (spins < YIELD_AFTER) {
            PAUSE();
        }
        else {
            sched_yield();
        }
    }
    return atomic_load(&team.raised);
}

static void
team_end(void)
{
    atomic_store(&team.running, 0);
    pthread_mutex_unlock(&team.owner);
}

/* BLAS runs with one thread in each block. Begin and end hold the GIL. */
static struct {
    int (*get)(void);
    void (*set)(int);
    int users;
    int before;
    int forks; /* how many led to this process: a child has no users of its parent's */
} blas_threads;

static int
blas_begin(int *threads)
{
    if (!blas_threads.get) {
        *threads = *threads ? *threads : 1;
        return blas_threads.forks;
    }
    if (blas_threads.users++ == 0) {
        blas_threads.before = blas_threads.get();
        if (blas_threads.before > 1) {
            blas_threads.set(1);
        }
    }
    *threads = *threads ? *threads : blas_threads.before;
    return blas_threads.forks;
}

static void
blas_end(int forks)
{
    if (blas_threads.get && forks == blas_threads.forks && --blas_threads.users == 0 && blas_threads.before > 1) {
        blas_threads.set(blas_threads.before);
    }
}

static PyObject *
blas(PyObject *NPY_UNUSED(module), PyObject *args)
{
    unsigned long long get, set;
    if (!PyArg_ParseTuple(args, "KK", &get, &set)) {
        return NULL;
    }
    blas_threads.get = (int (*)(void))(uintptr_t)get;
    blas_threads.set = (void (*)(int))(uintptr_t)set;
    Py_RETURN_NONE;
}

/* Calls a function with BLAS at one thread: no signal comes between the two changes of the number. */
static PyObject *
alone(PyObject *NPY_UNUSED(module), PyObject *call)
{
    int threads = 0, forks = blas_begin(&threads);
    PyObject *result = PyObject_CallNoArgs(call);
    blas_end(forks);
    return result;
}

/* A child of fork has one thread: no helpers, and no run that still holds them or BLAS. */
static void
team_forked(void)
{
    pthread_mutex_init(&team.owner, NULL);
    pthread_mutex_init(&team.lock, NULL);
    pthread_cond_init(&team.wake, NULL);
    team.sleeping = team.helpers = 0;
    atomic_store(&team.running, 0);
    atomic_store(&team.wanted, 0);
    atomic_store(&team.blocks, 0);
    if (blas_threads.users && blas_threads.before > 1) {
        blas_threads.set(blas_threads.before);
    }
    blas_threads.users = 0;
    blas_threads.forks++;
}

static void
team_init(void)
{
    pthread_atfork(NULL, NULL, team_forked);
}
