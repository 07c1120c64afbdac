/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A set of periodic threads that skip when late, for benches and tests on a kernel of the lab, which
 * run it under one policy or another and compare what its own counters say. A program of its own, as
 * users write them: it asks the kernel for nothing but a policy.
 *
 *   crowd [OPTION]... "(T,C,x/y,phase) ..."        times in slots, as everywhere
 *     --policy=P     other | fifo (deadline monotonic, 40 downwards) | deadline | module: prints a line
 *                    {"tids": [...]} and starts when a line comes in
 *     --seconds=N    --slot-us=N
 *     --shave-us=N   a job needs C slots less this; under SCHED_DEADLINE the kernel grants C in full
 *     --shave-permille=N   ... and less this share of it: interrupts, which no clock of the thread counts
 *     --probe=1      tells what a job of the first thread costs beside what it needs
 *     --stagger-us=N each thread's releases come that much later than those of the one before it
 *     --load=N       that many endless SCHED_OTHER processes beside it
 *     --load-weighs=1 ... at nice -20: next to nothing is left to whom the module sends to SCHED_OTHER
 *
 * All threads run on CPU 0 and start at a common point. Job k of a thread is released at phase + kT; it
 * burns CPU time by its own clock, drops the rest when its deadline, the next release, has come, and
 * goes on with the period that it is in by then. Requests, losses and windows of y requests in a row
 * count from job 0, up to the last deadline within the time given.
 *
 * Weakness: a job sees its deadline only when it runs, at most CHECK_NS late by its own doing; a request
 * that ends within that time after its deadline counts as lost, which it is.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX	1024
#define LOAD_MAX	8
#define STACK_SIZE	(64 << 10)
#define CHECK_NS	10000 /* of burning, between two looks at the clock */
#define LOOKS		200
#define LOOPS		1000
#define LEAD_NS		20000000ULL /* to be attached in, a thread */
#define NICE_LEAST	(-20)
#define PRIORITY_FIRST	10
#define PRIORITY_LAST	40
#define PRIORITY_MAIN	45
#define SCHED_NUMBER_DL 6
#define SECOND		1000000000ULL

struct job_thread {
	pthread_t thread;
	pid_t tid;
	unsigned int period, cost, x, y, phase; /* in slots */
	int priority;
	int error; /* of setting the policy */

	uint64_t first, period_ns, need; /* need: CPU time of a job */
	uint64_t jobs;			 /* those whose deadline is within the time given */
	uint64_t served, lost, windows, violations;
	uint32_t window_n, window_lost;
	uint64_t used_ns;	      /* in all its life */
	uint64_t late_last, late_max; /* of a thread that slept: first instruction - release */
};

struct kernel_attr { /* sched_setattr(2); glibc has no wrapper yet */
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static struct job_thread threads[THREADS_MAX];
static unsigned int threads_n;
static pthread_barrier_t ready, start;
static uint64_t loops_per_check;
static volatile uint64_t sink;

static const char *policy = "other";
static uint64_t slot_ns = 1000000, shave_ns, shave_permille, stagger_ns, seconds = 10;
static uint64_t load, load_weighs;
static pid_t load_pids[LOAD_MAX];
static uint64_t base; /* the common point */
static uint64_t probes, job_cost_ns;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t time)
{
	struct timespec at = {.tv_sec = (time_t)(time / SECOND), .tv_nsec = (long)(time % SECOND)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

static bool is_policy(const char *name)
{
	return strcmp(policy, name) == 0;
}

/* --- a job --- */

static void burn(uint64_t loops)
{
	while (loops--)
		sink = loops;
}

static uint64_t ns_of_looks(uint64_t loops)
{
	uint64_t begin = now_of(CLOCK_THREAD_CPUTIME_ID);
	int i;

	for (i = 0; i < LOOKS; i++) {
		burn(loops);
		sink = now_of(CLOCK_MONOTONIC);
	}
	return now_of(CLOCK_THREAD_CPUTIME_ID) - begin;
}

/* So that loops_per_check and one look at the clock take CHECK_NS. */
static void calibrate(void)
{
	uint64_t look, looks_and_loops;

	ns_of_looks(LOOPS);
	look = ns_of_looks(0);
	looks_and_loops = ns_of_looks(LOOPS);
	loops_per_check = 1;
	if (looks_and_loops > look && look < LOOKS * CHECK_NS)
		loops_per_check += (LOOKS * CHECK_NS - look) * LOOPS / (looks_and_loops - look);
}

/* Until `need` of CPU time were used, or the deadline came. The thread's own clock costs a system call, so
 * it is asked each time that half of the rest ought to be done: what interrupts and switches take is in it,
 * but is in no count of loops. */
static bool run_job(uint64_t need, uint64_t deadline)
{
	uint64_t begin = now_of(CLOCK_THREAD_CPUTIME_ID), used = 0, left;

	while (used < need) {
		for (left = (need - used) / 2; left > CHECK_NS; left -= CHECK_NS) {
			burn(loops_per_check);
			if (now_of(CLOCK_MONOTONIC) >= deadline)
				return false;
		}
		burn(loops_per_check * left / CHECK_NS);
		used = now_of(CLOCK_THREAD_CPUTIME_ID) - begin;
	}
	return now_of(CLOCK_MONOTONIC) <= deadline;
}

static void count(struct job_thread *t, bool served)
{
	if (served)
		t->served++;
	else
		t->lost++;
	t->window_lost += !served;
	if (t->y == 0 || ++t->window_n < t->y)
		return;
	t->windows++;
	t->violations += t->window_lost > t->x;
	t->window_n = t->window_lost = 0;
}

static void note_release(struct job_thread *t, uint64_t release)
{
	uint64_t late = now_of(CLOCK_MONOTONIC) - release;

	t->late_last = late;
	if (late > t->late_max)
		t->late_max = late;
}

/* What a job of thread 0 costs beside what it needs, all that happens because of it included: the time
 * of this CPU less what the other threads got of it. Taken over the middle half of the jobs. */
static void probe(struct job_thread *t, uint64_t k)
{
	static uint64_t wall, others, begin;

	if (!probes || t != threads || (k != t->jobs / 4 && k != t->jobs / 4 * 3))
		return;
	if (k == t->jobs / 4) {
		begin = k;
		wall = now_of(CLOCK_MONOTONIC);
		others = now_of(CLOCK_PROCESS_CPUTIME_ID) - now_of(CLOCK_THREAD_CPUTIME_ID);
		return;
	}
	others = now_of(CLOCK_PROCESS_CPUTIME_ID) - now_of(CLOCK_THREAD_CPUTIME_ID) - others;
	wall = now_of(CLOCK_MONOTONIC) - wall;
	job_cost_ns = (wall - others) / (k - begin) - t->need;
}

/* The last one may be due after the end; then it is not counted. */
static void run_jobs(struct job_thread *t)
{
	uint64_t k = 0, current, release, end = base + seconds * SECOND;

	for (; (release = t->first + k * t->period_ns) < end; k++) {
		if (now_of(CLOCK_MONOTONIC) < release) {
			sleep_until(release);
			note_release(t, release);
		}
		probe(t, k);
		current = (now_of(CLOCK_MONOTONIC) - t->first) / t->period_ns;
		for (; k < current && k < t->jobs; k++)
			count(t, false);
		if (k < t->jobs)
			count(t, run_job(t->need, t->first + (k + 1) * t->period_ns));
		else
			run_job(t->need, end);
	}
}

/* --- policies --- */

static int set_deadline(const struct job_thread *t)
{
	struct kernel_attr attr = {
		.size = sizeof(attr),
		.policy = SCHED_NUMBER_DL,
		.runtime = t->cost * slot_ns,
		.deadline = t->period_ns,
		.period = t->period_ns,
	};

	return syscall(SYS_sched_setattr, 0, &attr, 0) < 0 ? errno : 0;
}

static int set_fifo(int priority)
{
	struct sched_param param = {.sched_priority = priority};

	return sched_setscheduler(0, SCHED_FIFO, &param) < 0 ? errno : 0;
}

static void set_policy(struct job_thread *t)
{
	if (is_policy("deadline"))
		t->error = set_deadline(t);
	else if (is_policy("fifo"))
		t->error = set_fifo(t->priority);
}

/* The module takes what a thread was before it was attached. But whoever falls asleep under SCHED_OTHER wakes
 * up a tenth of a millisecond later than a real-time thread, and the grid of its periods would be anchored
 * there. */
static void prepare(struct job_thread *t)
{
	if (is_policy("module"))
		t->error = set_fifo(PRIORITY_FIRST);
}

/* Deadline monotonic: one priority for each period, the shortest first. */
static void assign_priorities(void)
{
	unsigned int i, j, period = 0, next;
	int priority = PRIORITY_LAST;

	for (;; period = next, priority -= priority > PRIORITY_FIRST) {
		for (next = 0, i = 0; i < threads_n; i++)
			if (threads[i].period > period && (!next || threads[i].period < next))
				next = threads[i].period;
		if (next == 0)
			return;
		for (j = 0; j < threads_n; j++)
			if (threads[j].period == next)
				threads[j].priority = priority;
	}
}

/* --- threads --- */

static void *thread_main(void *data)
{
	struct job_thread *t = data;
	char name[16];

	t->tid = gettid();
	snprintf(name, sizeof(name), "job%u", (unsigned int)(t - threads));
	pthread_setname_np(pthread_self(), name);
	prepare(t);
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&start); /* the common point is known */
	set_policy(t);
	run_jobs(t);
	t->used_ns = now_of(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static void start_threads(void)
{
	pthread_attr_t attr;
	unsigned int i;

	pthread_barrier_init(&ready, NULL, threads_n + 1);
	pthread_barrier_init(&start, NULL, threads_n + 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	for (i = 0; i < threads_n; i++) {
		errno = pthread_create(&threads[i].thread, &attr, thread_main, &threads[i]);
		if (errno)
			die("pthread_create");
	}
	pthread_barrier_wait(&ready);
}

/* They are asleep until their first release, so that this is the first thing that the module sees of them. */
static void wait_until_attached(void)
{
	unsigned int i;

	printf("{\"tids\": [");
	for (i = 0; i < threads_n; i++)
		printf("%s%d", i ? ", " : "", threads[i].tid);
	printf("]}\n");
	fflush(stdout);
	if (getchar() == EOF || now_of(CLOCK_MONOTONIC) >= base) {
		fprintf(stderr, "crowd: nobody said in time that the threads are attached\n");
		exit(1);
	}
}

static void choose_phases(void)
{
	unsigned int i;

	base = now_of(CLOCK_MONOTONIC) + LEAD_NS * (5 + threads_n);
	for (i = 0; i < threads_n; i++) {
		struct job_thread *t = &threads[i];
		uint64_t phase = t->phase * slot_ns + i * stagger_ns;

		t->first = base + phase;
		t->period_ns = t->period * slot_ns;
		t->need = t->cost * slot_ns - shave_ns - t->cost * slot_ns / 1000 * shave_permille;
		t->jobs = (seconds * SECOND - phase) / t->period_ns;
	}
}

static void start_load(void)
{
	unsigned int i;

	for (i = 0; i < load; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		load_pids[i] = pid;
		if (pid > 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			burn(1000000);
	}
}

/* Not before, or it would keep away whoever attaches the threads. */
static void let_load_weigh(void)
{
	unsigned int i;

	for (i = 0; load_weighs && i < load; i++)
		if (setpriority(PRIO_PROCESS, (id_t)load_pids[i], NICE_LEAST) < 0)
			die("setpriority");
}

/* --- command line --- */

static bool set_number(const char *name, const char *value, uint64_t *to, uint64_t unit)
{
	size_t length = strlen(name);

	if (strncmp(value, name, length) != 0 || sscanf(value + length, "=%lu", to) != 1)
		return false;
	*to *= unit;
	return true;
}

static bool set_option(const char *option)
{
	if (strncmp(option, "--policy=", 9) == 0) {
		policy = option + 9;
		return true;
	}
	return set_number("--seconds", option, &seconds, 1) ||
	       set_number("--load", option, &load, 1) ||
	       set_number("--load-weighs", option, &load_weighs, 1) ||
	       set_number("--probe", option, &probes, 1) ||
	       set_number("--slot-us", option, &slot_ns, 1000) ||
	       set_number("--stagger-us", option, &stagger_ns, 1000) ||
	       set_number("--shave-us", option, &shave_ns, 1000) ||
	       set_number("--shave-permille", option, &shave_permille, 1);
}

static bool parse_set(const char *text)
{
	int length;

	for (; threads_n < THREADS_MAX; text += length, threads_n++) {
		struct job_thread *t = &threads[threads_n];

		if (sscanf(text, " (%u,%u,%u/%u,%u)%n", &t->period, &t->cost, &t->x, &t->y,
			   &t->phase, &length) != 5)
			break;
		if (t->cost == 0 || t->cost > t->period)
			return false;
	}
	return threads_n > 0 && text[strspn(text, " ")] == 0;
}

static bool parse(int argc, char **argv)
{
	int i;

	for (i = 1; i + 1 < argc; i++)
		if (!set_option(argv[i]))
			return false;
	return i < argc && parse_set(argv[i]) && load <= LOAD_MAX && shave_permille < 500 &&
	       2 * shave_ns < slot_ns;
}

static void print_thread(const struct job_thread *t)
{
	printf("{\"requests\": %lu, \"served\": %lu, \"lost\": %lu, \"windows\": %lu, "
	       "\"violations\": %lu, \"late_last_ns\": %lu, \"late_max_ns\": %lu, \"used_ns\": "
	       "%lu, "
	       "\"error\": %d}",
	       t->served + t->lost, t->served, t->lost, t->windows, t->violations, t->late_last,
	       t->late_max, t->used_ns, t->error);
}

static void print_result(void)
{
	unsigned int i;

	printf("{\"policy\": \"%s\", \"streams\": [", policy);
	for (i = 0; i < threads_n; i++) {
		printf("%s", i ? ", " : "");
		print_thread(&threads[i]);
	}
	printf("], \"job_cost_ns\": %lu}\n", job_cost_ns);
}

static void to_cpu_0(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	if (sysconf(_SC_NPROCESSORS_CONF) > 1 && sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
		die("sched_setaffinity");
}

int main(int argc, char **argv)
{
	unsigned int i;

	if (!parse(argc, argv)) {
		fprintf(stderr, "usage: crowd [OPTION=VALUE]... \"(T,C,x/y,phase) ...\"\n");
		return 64;
	}
	mlockall(MCL_CURRENT | MCL_FUTURE);
	to_cpu_0();
	calibrate();
	assign_priorities();
	start_threads();
	start_load();
	set_fifo(PRIORITY_MAIN);
	choose_phases();
	pthread_barrier_wait(&start);
	if (is_policy("module"))
		wait_until_attached();
	let_load_weigh();
	for (i = 0; i < threads_n; i++)
		pthread_join(threads[i].thread, NULL);
	print_result();
	return 0;
}
