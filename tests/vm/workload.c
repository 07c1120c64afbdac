// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs of `./dev bench violations`. Each ends when stdin does.
 *
 *	workload job PERIOD_US X Y FILE	a periodic job; what each one needs, in us of CPU time, is a line of FILE.
 *					The first line goes on until a line comes on stdin ("go"); whoever is late
 *					skips, and what was skipped is late too. Prints "ready", and at the end of FILE
 *					one line of JSON.
 *	workload hog			endless; prints at the end the CPU time that it got, in ns
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

#define JOBS_MAX 1000000
#define SECOND	 1000000000ULL

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

static void burn(uint64_t ns)
{
	uint64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ns;

	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end)
		;
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

static bool has_line(void)
{
	char c;

	return read(STDIN_FILENO, &c, 1) == 1;
}

/* Until it is told to go on: its controllers get to know it. */
static uint64_t warm_up(uint64_t period)
{
	uint64_t release = clock_ns(CLOCK_MONOTONIC) + period;

	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	while (!has_line()) {
		sleep_until(release);
		burn(demand[0]);
		while (release <= clock_ns(CLOCK_MONOTONIC))
			release += period;
	}
	return release;
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

static void report(uint64_t deadline, unsigned int x, unsigned int y)
{
	size_t late = 0, windows = 0, violations = 0, in_window = 0, n = 0;

	printf("{\"violated\": [");

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
	printf("], \"jobs\": %zu, \"late\": %zu, \"windows\": %zu, \"violations\": %zu, "
	       "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
	       n_jobs, late, windows, violations, (double)response[n / 2] / 1e3,
	       (double)response[n * 99 / 100] / 1e3, (double)response[n - 1] / 1e3);
}

static int job(char **args)
{
	uint64_t period = strtoull(args[0], NULL, 10) * 1000, first;

	read_demand(args[3]);
	mlockall(MCL_CURRENT | MCL_FUTURE);
	puts("ready");
	fflush(stdout);
	first = warm_up(period);
	run(first, period);
	report(period, (unsigned int)atoi(args[1]), (unsigned int)atoi(args[2]));
	return 0;
}

static void *wait_for_end(void *nothing)
{
	char c;

	(void)nothing;
	while (read(STDIN_FILENO, &c, 1) == 1)
		;
	printf("%llu\n", (unsigned long long)clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	fflush(stdout);
	_exit(0);
}

static int hog(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, wait_for_end, NULL))
		return 1;
	for (;;)
		__asm__ volatile("");
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "job"))
		return job(argv + 2);
	if (argc == 2 && !strcmp(argv[1], "hog"))
		return hog();
	return 64;
}
