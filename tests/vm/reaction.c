// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two programs in one.
 *
 *   reaction watch OBJECT		attaches reaction.bpf.o, prints "ready"; at each line of stdin one line:
 *					steps, and the nanoseconds of each reaction since the last one
 *   reaction step PERIOD LOW HIGH N	a periodic program that is told by its tag; burns LOW us of CPU time in
 *					each PERIOD us, after N jobs HIGH, and so on
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/libbpf.h>

#include "bss.h"

static unsigned long long clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (unsigned long long)now.tv_sec * 1000000000 + (unsigned long long)now.tv_nsec;
}

/* Whoever is late skips. */
static __attribute__((noreturn)) void step(char **args)
{
	unsigned long long period = strtoull(args[0], NULL, 10) * 1000, release, end;
	unsigned long long work[] = {strtoull(args[1], NULL, 10) * 1000,
				     strtoull(args[2], NULL, 10) * 1000};
	unsigned long jobs = strtoul(args[3], NULL, 10), job;

	release = clock_ns(CLOCK_MONOTONIC);
	for (job = 0;; job++) {
		struct timespec at;

		end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + work[job / jobs % 2];
		while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end)
			;
		while (release <= clock_ns(CLOCK_MONOTONIC))
			release += period;
		at = (struct timespec){(time_t)(release / 1000000000),
				       (long)(release % 1000000000)};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	}
}

static int watch(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	unsigned long long seen = 0, steps_seen = 0;
	struct bpf_program *program;
	const char *globals;
	char line[64];

	if (!object || bpf_object__load(object))
		return 2;
	bpf_object__for_each_program(program, object)
	{
		if (!bpf_program__attach(program))
			return 3;
	}
	globals = bss_map(object);
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		unsigned long long n = *bss_variable(object, globals, "n");
		unsigned long long steps = *bss_variable(object, globals, "steps");
		const unsigned long long *samples = bss_variable(object, globals, "samples");

		printf("%llu", steps - steps_seen);
		for (; seen < n; seen++)
			printf(" %llu", samples[seen]);
		puts("");
		steps_seen = steps;
	}
	return 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && !strcmp(argv[1], "watch"))
		return watch(argv[2]);
	if (argc == 6 && !strcmp(argv[1], "step"))
		step(argv + 2);
	return 64;
}
