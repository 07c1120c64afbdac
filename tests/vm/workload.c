// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs of `./dev bench violations`. Each ends when stdin does.
 *
 *	workload job PERIOD_US X Y FILE	a periodic job; what each one needs, in us of CPU time, is a line of FILE.
 *					The first line goes on until a line comes on stdin, and from there to the next
 *					round 100 ms of the clock; whoever is late skips, and what was skipped is late
 *					too. The line has the numbers of processes who adapt, 0, and those of others; what
 *					they take meanwhile is told too. Prints "ready", and at the end of FILE one line
 *					of JSON.
 *	workload hog			endless
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX   1000000
#define SECOND	   1000000000ULL
#define START_NS   100000000ULL
#define OTHERS_MAX 8

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	const struct timespec at = {.tv_sec = (time_t)(ns / SECOND),
				    .tv_nsec = (long)(ns % SECOND)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

static uint64_t after(uint64_t ns, uint64_t grid)
{
	return (ns / grid + 1) * grid;
}

/* Nothing costs an emulator less, so that a second of virtual time takes little real one. */
static inline void pass_time(void)
{
	__asm__ volatile(".rept 1000\n\tnop\n\t.endr");
}

/* A pass takes less than 4 us on any machine, so that it never burns too much. */
static void burn(uint64_t ns)
{
	uint64_t now = clock_ns(CLOCK_THREAD_CPUTIME_ID), end = now + ns;

	for (; now < end; now = clock_ns(CLOCK_THREAD_CPUTIME_ID)) {
		for (uint64_t passes = (end - now) / 4000; passes; passes--)
			pass_time();
	}
}

static uint64_t *demand;
static size_t n_jobs;
static uint64_t *response; /* of each job; 0: it was skipped */

static void read_demand(const char *path)
{
	FILE *file = fopen(path, "r");
	unsigned long us;

	demand = calloc(JOBS_MAX, sizeof(*demand));
	response = calloc(JOBS_MAX, sizeof(*response));
	if (!file || !demand || !response)
		exit(2);
	while (n_jobs < JOBS_MAX && fscanf(file, "%lu", &us) == 1)
		demand[n_jobs++] = us * 1000;
	fclose(file);
}

static struct others {
	clockid_t clocks[OTHERS_MAX];
	size_t n;
} adapting, background;

static const char *read_others(const char *line, struct others *ret)
{
	char *next = (char *)line;

	for (long pid; ret->n < OTHERS_MAX && (pid = strtol(next, &next, 10)) > 0;) {
		if (clock_getcpuclockid((pid_t)pid, &ret->clocks[ret->n++]))
			exit(3);
	}
	return next;
}

static bool has_line(void)
{
	char line[256] = "";

	if (read(STDIN_FILENO, line, sizeof(line) - 1) <= 0)
		return false;
	read_others(read_others(line, &adapting), &background);
	return true;
}

static uint64_t others_ns(const struct others *others)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < others->n; i++)
		sum += clock_ns(others->clocks[i]);
	return sum;
}

/* Until it is told to go on: its controllers get to know it. Returns the first release after that. */
static uint64_t warm_up(uint64_t period)
{
	uint64_t release = after(clock_ns(CLOCK_MONOTONIC), period), first = UINT64_MAX;

	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	while (release < first) {
		sleep_until(release);
		burn(demand[0]);
		release = after(clock_ns(CLOCK_MONOTONIC), period);
		if (first == UINT64_MAX && has_line())
			first = after(release, START_NS);
	}
	return first;
}

static void run(uint64_t first, uint64_t period)
{
	for (size_t i = 0; i < n_jobs;) {
		uint64_t release = first + i * period, end;

		sleep_until(release);
		burn(demand[i]);
		end = clock_ns(CLOCK_MONOTONIC);
		response[i] = end - release;
		i += 1 + (end - release) / period; /* who is late skips */
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

/* The rest of the line. */
static void report(uint64_t deadline, unsigned int x, unsigned int y)
{
	size_t late = 0, windows = 0, violations = 0, in_window = 0, n = 0;

	printf("\"violated\": [");
	for (size_t i = 0; i < n_jobs; i++) {
		bool is_late = !response[i] || response[i] > deadline;

		late += is_late;
		in_window += is_late;
		if ((i + 1) % y)
			continue;
		if (in_window > x)
			printf("%s%zu", violations++ ? ", " : "", windows);
		windows++;
		in_window = 0;
	}
	for (size_t i = 0; i < n_jobs; i++) {
		if (response[i])
			response[n++] = response[i];
	}
	qsort(response, n, sizeof(*response), compare);
	printf("], \"jobs\": %zu, \"late\": %zu, "
	       "\"windows\": %zu, \"violations\": %zu, "
	       "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
	       n_jobs, late, windows, violations, (double)response[n / 2] / 1e3,
	       (double)response[n * 99 / 100] / 1e3, (double)response[n - 1] / 1e3);
}

/* CPU times: of the program, of who adapts, of the others. */
static void look(uint64_t *ret)
{
	ret[0] = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	ret[1] = others_ns(&adapting);
	ret[2] = others_ns(&background);
}

static int job(char **args)
{
	uint64_t period = strtoull(args[0], NULL, 10) * 1000, first, before[3], after[3];

	read_demand(args[3]);
	mlockall(MCL_CURRENT | MCL_FUTURE);
	puts("ready");
	fflush(stdout);
	first = warm_up(period);
	look(before);
	run(first, period);
	look(after);
	printf("{\"first_ns\": %llu, \"used_ns\": %llu, \"adaptation_ns\": %llu, "
	       "\"background_ns\": %llu, ",
	       (unsigned long long)first, (unsigned long long)(after[0] - before[0]),
	       (unsigned long long)(after[1] - before[1]),
	       (unsigned long long)(after[2] - before[2]));
	report(period, (unsigned int)atoi(args[1]), (unsigned int)atoi(args[2]));
	return 0;
}

static void *wait_for_end(void *nothing)
{
	char c;

	(void)nothing;
	while (read(STDIN_FILENO, &c, 1) == 1)
		;
	_exit(0);
}

static int hog(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, wait_for_end, NULL))
		return 1;
	for (;;)
		pass_time();
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "job"))
		return job(argv + 2);
	if (argc == 2 && !strcmp(argv[1], "hog"))
		return hog();
	return 64;
}
