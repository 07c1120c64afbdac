// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads programs of rules.bpf.o, puts them behind the module's tracepoint, and lets a test ask.
 *
 *   rules OBJECT PROGRAM...
 *
 * PROGRAM i (from 1) is entered by events with that number. Prints "ready", or "refused" if the
 * verifier took one of them not, and ends then. Lines of stdin:
 *   ask ATTRIBUTE VALUE   from the next event on; answers "ok"
 *   seen                  answers: runs verdict contract position state, and the words that were noted
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#define ENTER "qos_module_enter"
#define WORDS 28 /* QOS_RULES_WORDS */

static char *globals; /* of the programs, all of 8 bytes */

static void map_globals(struct bpf_object *object)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".bss");

	if (!map)
		exit(3);
	globals = mmap(NULL, bpf_map__value_size(map), PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(map), 0);
	if (globals == MAP_FAILED)
		exit(3);
}

static long long *variable(struct bpf_object *object, const char *name)
{
	const struct btf *btf = bpf_object__btf(object);
	const struct btf_type *section;
	int id = btf__find_by_name_kind(btf, ".bss", BTF_KIND_DATASEC), i;

	if (id < 0)
		exit(3);
	section = btf__type_by_id(btf, id);
	for (i = 0; i < btf_vlen(section); i++) {
		const struct btf_var_secinfo *var = btf_var_secinfos(section) + i;
		const struct btf_type *type = btf__type_by_id(btf, var->type);

		if (!strcmp(btf__name_by_offset(btf, type->name_off), name))
			return (long long *)(globals + var->offset);
	}
	exit(3);
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return getenv("RULES_VERBOSE") ? vfprintf(stderr, format, args) : (int)level * 0;
}

static struct bpf_object *load(char **names)
{
	struct bpf_object *object = bpf_object__open_file(*names++, NULL);
	struct bpf_program *program;
	char **name;

	if (!object)
		exit(2);
	bpf_object__for_each_program(program, object)
	{
		int wanted = !strcmp(bpf_program__name(program), ENTER);

		for (name = names; *name; name++)
			wanted |= !strcmp(bpf_program__name(program), *name);
		bpf_program__set_autoload(program, wanted);
	}
	if (!bpf_object__load(object))
		return object;
	puts("refused");
	exit(1);
}

static void enter(struct bpf_object *object, char **names)
{
	int map = bpf_object__find_map_fd_by_name(object, "module_extensions");
	unsigned int slot;

	for (slot = 1; *names; slot++, names++) {
		int fd = bpf_program__fd(bpf_object__find_program_by_name(object, *names));

		if (bpf_map_update_elem(map, &slot, &fd, 0))
			exit(4);
	}
	if (!bpf_program__attach(bpf_object__find_program_by_name(object, ENTER)))
		exit(5);
}

static void tell(struct bpf_object *object)
{
	static const char *const names[] = {"runs", "verdict", "contract", "position", "state"};
	const long long *seen = variable(object, "seen");
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		printf("%lld ", *variable(object, names[i]));
	for (i = 0; i < WORDS; i++)
		printf("%lld ", seen[i]);
	puts("");
}

int main(int argc, char **argv)
{
	struct bpf_object *object;
	char line[128];

	if (argc < 3)
		return 64;
	setvbuf(stdout, NULL, _IOLBF, 0);
	libbpf_set_print(quiet);
	object = load(argv + 1);
	map_globals(object);
	enter(object, argv + 2);
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		long long attribute, value;

		if (sscanf(line, "ask %lld %lld", &attribute, &value) == 2) {
			*variable(object, "value") = value;
			*variable(object, "attribute") = attribute;
			puts("ok");
		} else {
			tell(object);
		}
	}
	return 0;
}
