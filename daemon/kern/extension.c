/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loading without libbpf's object files: an extension has no ELF, its instructions come from the
 * compiler. Only the places that the compiler listed are changed.
 */
#include "kern/extension.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

void qos_extension_close_maps(struct qos_extension_maps *maps)
{
	qos_closep(&maps->frame);
	qos_closep(&maps->state);
	qos_closep(&maps->guard);
	*maps = QOS_EXTENSION_MAPS_NONE;
}

static int map_new(const char *name, size_t value_size, unsigned int n_keys)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);

	return bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(uint32_t), (uint32_t)value_size,
			      n_keys, &opts);
}

int qos_extension_test_maps(size_t n_state, unsigned int n_keys, struct qos_extension_maps *ret)
{
	_cleanup_extension_maps_ struct qos_extension_maps maps = QOS_EXTENSION_MAPS_NONE;

	maps.frame = map_new("qos_frame", sizeof(struct qos_rules_frame), 1);
	if (maps.frame < 0)
		return maps.frame;
	if (n_state)
		maps.state = map_new("qos_state", n_state * sizeof(uint64_t), n_keys);
	if (n_state && maps.state < 0)
		return maps.state;
	*ret = (struct qos_extension_maps){TAKE_FD(maps.frame), TAKE_FD(maps.state), -1};
	return 0;
}

static int relocate(struct bpf_insn *insns, const struct qos_emit *code,
		    const struct qos_extension_maps *maps)
{
	const int fds[] = {[QOS_RELOC_FRAME] = maps->frame,
			   [QOS_RELOC_STATE] = maps->state,
			   [QOS_RELOC_GUARD] = maps->guard};

	for (size_t i = 0; i < code->n_relocs; i++) {
		const struct qos_reloc *reloc = &code->relocs[i];

		if (reloc->kind == QOS_RELOC_KFUNC)
			return -EOPNOTSUPP;
		if (fds[reloc->kind] < 0)
			return -EBADF;
		insns[reloc->at].imm = fds[reloc->kind];
	}
	return 0;
}

int qos_extension_load(const struct qos_emit *code, const struct qos_extension_kind *kind,
		       const struct qos_extension_maps *maps, char *log, size_t size)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = (uint32_t)size,
		    .log_level = log ? 1 : 0, .attach_btf_id = kind->attach_btf_id,
		    .expected_attach_type = kind->attach_btf_id ? BPF_TRACE_RAW_TP : 0);
	_cleanup_free_ struct bpf_insn *insns = calloc(code->n_insns, sizeof(*insns));
	int r;

	if (!insns)
		return -ENOMEM;
	memcpy(insns, code->insns, code->n_insns * sizeof(*insns));
	r = relocate(insns, code, maps);
	if (r < 0)
		return r;
	return bpf_prog_load(kind->type, "qos_extension", "GPL", insns, code->n_insns, &opts);
}
