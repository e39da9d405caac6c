/* Helpers that share a group's blocks with the thread that runs a program.

   Whoever is there claims the next block; the caller goes on alone where no helper comes, and at a group's end it waits
   only for blocks that a helper has begun. Blocks are cut by shape, so no result depends on who computed them.

   Where other programs keep the processors busy, helpers must not make things worse. While one spins, or waits for a
   processor, it takes from the share of the processors that the caller gets; and one that loses its processor within a
   block delays the caller. So a helper that finds nothing to do soon sleeps. If it came late, or found nothing since it was
   called, it can't be called for ten times as long, and longer the next time. And after a delay, the caller runs alone for
   ten times as long. */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define MAX_HELPERS 63
#define SPINS 2000        /* some tens of microseconds */
#define YIELD_AFTER 2000
#define DELAY 100000      /* nanoseconds that a helper may take longer than twice what the caller took for a block */
#define ALONE 10          /* times a delay, or times that a helper spent in vain */
#define MOST_VAIN 6       /* doublings of that */
#define LATE 1000000      /* nanoseconds from a call to a helper's start, from which on processors are too busy */
#define LONGEST_NAP 50000000

#if defined(__x86_64__) || defined(__i386__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

static struct {
    pthread_mutex_t owner;             /* held by the run that the helpers work for */
    pthread_mutex_t lock;              /* for `wake`, `calls` and `called` */
    pthread_cond_t wake;
    int calls;                         /* how often sleeping helpers were called */
    int64_t called;                    /* since when a helper has not come, in nanoseconds */
    atomic_int sleeping;
    int helpers;
    int64_t alone_until;               /* nanoseconds */
    atomic_int wanted;                 /* those helpers whose number is smaller take part */
    atomic_int running;                /* a run is going on: spin, don't sleep */
    atomic_int processor;              /* the one that the caller is on */
    _Atomic uint64_t ticket;           /* the number of a group, and of its next block */
    _Atomic(const word *) group;
    _Atomic(char *const *) bases;
    atomic_long blocks;
    atomic_long done;
    atomic_int raised;
} team = {.owner = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* Nanoseconds. */
static int64_t
now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

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
        clear_errors();
    }
    atomic_fetch_add_explicit(&team.done, 1, memory_order_release);
    return 1;
}

/* Whether the present group has blocks that nobody has claimed. */
static int
team_has(void)
{
    return (long)(atomic_load(&team.ticket) & 0xffffffffu) < atomic_load(&team.blocks);
}

/* Whether a run goes on in which this helper takes part. */
static int
called(int me)
{
    return atomic_load_explicit(&team.running, memory_order_relaxed)
           && me < atomic_load_explicit(&team.wanted, memory_order_relaxed);
}

/* The processor that this thread is on; -1 where the system does not tell. */
static int
processor(void)
{
#ifdef __linux__
    return sched_getcpu();
#else
    return -1;
#endif
}

/* Leaves the caller's processor, where a helper only takes time from the caller. The system may wake it there, and then
   takes tens of milliseconds to move one of the two. */
static void
step_aside(void)
{
#ifdef __linux__
    int mine = processor();
    cpu_set_t allowed, others;
    if (mine < 0 || mine != atomic_load_explicit(&team.processor, memory_order_relaxed)) {
        return;
    }
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 1) {
        others = allowed;
        CPU_CLR(mine, &others);
        if (sched_setaffinity(0, sizeof others, &others) == 0) {
            sched_setaffinity(0, sizeof allowed, &allowed); /* it has moved, and the system may move it again */
            return;
        }
    }
    sched_yield();
#endif
}

static void
nap(int64_t nanoseconds)
{
    nanosleep(&(struct timespec){0, nanoseconds < LONGEST_NAP ? nanoseconds : LONGEST_NAP}, NULL);
}

static void *
helper(void *number)
{
    int me = (int)(intptr_t)number, in_vain = 0;
    fesetenv(FE_DFL_ENV); /* not the errors of the thread that made this one */
    for (;;) {
        int64_t begun = now(CLOCK_THREAD_CPUTIME_ID);
        int took = 0;
        for (int spins = 0; spins < (took ? 2 * SPINS : SPINS); spins++) {
            if (called(me)) {
                step_aside();
                if (team_take()) {
                    took = 1;
                    spins = 0;
                    continue;
                }
            }
            PAUSE();
        }
        if (took) {
            in_vain = 0;
        }
        else {
            nap(ALONE * (now(CLOCK_THREAD_CPUTIME_ID) - begun) << (in_vain < MOST_VAIN ? in_vain++ : in_vain));
        }
        pthread_mutex_lock(&team.lock);
        atomic_fetch_add(&team.sleeping, 1);
        /* Whoever announces blocks looks at `sleeping` afterwards, so either this thread sees them or it is called. */
        int calls = team.calls;
        int64_t late = 0;
        while (!called(me) || (calls == team.calls && !team_has())) {
            pthread_cond_wait(&team.wake, &team.lock);
            late = team.called ? now(CLOCK_MONOTONIC) - team.called : 0;
            team.called = 0;
        }
        atomic_fetch_sub(&team.sleeping, 1);
        pthread_mutex_unlock(&team.lock);
        if (late > LATE) {
            nap(ALONE * late);
        }
    }
    return NULL;
}

static void
team_call(void)
{
    if (atomic_load(&team.sleeping)) {
        pthread_mutex_lock(&team.lock);
        team.calls++;
        team.called = team.called ? team.called : now(CLOCK_MONOTONIC);
        pthread_cond_broadcast(&team.wake);
        pthread_mutex_unlock(&team.lock);
    }
}

/* The helpers for a run, if no other run has them. */
static int
team_begin(int threads)
{
    if (pthread_mutex_trylock(&team.owner)) {
        return 0;
    }
    if (team.alone_until && now(CLOCK_MONOTONIC) < team.alone_until) {
        pthread_mutex_unlock(&team.owner);
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
    atomic_store(&team.processor, processor());
    atomic_store(&team.running, 1);
    team_call();
    return 1;
}

static int
team_run(const word *group, char *const *bases, npy_intp blocks)
{
    atomic_store_explicit(&team.processor, processor(), memory_order_relaxed);
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
    team_call();
    int64_t begun = now(CLOCK_MONOTONIC);
    int own = 0;
    while (team_take()) {
        own++;
    }
    int64_t waiting = now(CLOCK_MONOTONIC);
    for (int spins = 0; atomic_load_explicit(&team.done, memory_order_acquire) < blocks; spins++) {
        if (spins < YIELD_AFTER) {
            PAUSE();
        }
        else {
            sched_yield();
        }
    }
    int64_t end = now(CLOCK_MONOTONIC);
    if (own && end - waiting > 2 * (waiting - begun) / own + DELAY) {
        team.alone_until = end + ALONE * (end - waiting);
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
    team.helpers = 0;
    team.alone_until = team.called = 0;
    atomic_store(&team.sleeping, 0);
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
