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
#include <sys/mman.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

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

static const unsigned long long *variable(struct bpf_object *object, const char *globals,
					  const char *name)
{
	const struct btf *btf = bpf_object__btf(object);
	int id = btf__find_by_name_kind(btf, ".bss", BTF_KIND_DATASEC), i;
	const struct btf_type *section = id < 0 ? NULL : btf__type_by_id(btf, id);

	for (i = 0; section && i < btf_vlen(section); i++) {
		const struct btf_var_secinfo *var = btf_var_secinfos(section) + i;
		const struct btf_type *type = btf__type_by_id(btf, var->type);

		if (!strcmp(btf__name_by_offset(btf, type->name_off), name))
			return (const void *)(globals + var->offset);
	}
	exit(4);
}

static int watch(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	unsigned long long seen = 0, steps_seen = 0;
	struct bpf_program *program;
	struct bpf_map *map;
	char *globals, line[64];

	if (!object || bpf_object__load(object))
		return 2;
	bpf_object__for_each_program(program, object)
	{
		if (!bpf_program__attach(program))
			return 3;
	}
	map = bpf_object__find_map_by_name(object, ".bss");
	globals = mmap(NULL, bpf_map__value_size(map), PROT_READ, MAP_SHARED, bpf_map__fd(map), 0);
	if (globals == MAP_FAILED)
		return 4;
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		unsigned long long n = *variable(object, globals, "n");
		unsigned long long steps = *variable(object, globals, "steps");
		const unsigned long long *samples = variable(object, globals, "samples");

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
