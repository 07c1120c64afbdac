/* SPDX-License-Identifier: GPL-2.0-only */
/* The global variables of a loaded BPF object, by name. */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

/* Ends the program if it cannot. */
static inline const char *bss_map(struct bpf_object *object)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".bss");
	void *globals = map ? mmap(NULL, bpf_map__value_size(map), PROT_READ, MAP_SHARED,
				   bpf_map__fd(map), 0)
			    : MAP_FAILED;

	if (globals == MAP_FAILED)
		exit(4);
	return globals;
}

static inline const unsigned long long *bss_variable(struct bpf_object *object, const char *globals,
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
