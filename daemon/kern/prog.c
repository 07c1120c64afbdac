/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loading. A refusal of the verifier is never the user's fault: rules that are well typed must pass.
 * So its words are for those who mend qosd, and go into a file, with the kernel's version and every
 * instruction as it was handed over; people hear in one sentence where that file is.
 */
#include "kern/prog.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kern/probe.h"
#include "util/cleanup.h"
#include "util/file.h"

struct qos_prog_code qos_prog_code_of(const struct qos_emit *emit, const char *name)
{
	return (struct qos_prog_code){.insns = emit->insns,
				      .n_insns = emit->n_insns,
				      .relocs = emit->relocs,
				      .n_relocs = emit->n_relocs,
				      .name = name};
}

static int fd_of(const struct qos_prog_maps *maps, enum qos_reloc_kind kind)
{
	switch (kind) {
	case QOS_RELOC_FRAME:
		return maps->frame_fd;
	case QOS_RELOC_STATE:
		return maps->state_fd;
	case QOS_RELOC_GUARD:
		return maps->guard_fd;
	case QOS_RELOC_KFUNC:
		break;
	}
	return -1;
}

/* Element 1 of fd_array, since 0 stands for the kernel itself. */
static void put_kfunc(struct bpf_insn *insn, const struct qos_prog_maps *maps)
{
	insn->imm = maps->kfunc;
	insn->off = QOS_PROG_MODULE_BTF;
}

/* A copy with the descriptors in place. */
static int relocate(const struct qos_prog_code *code, const struct qos_prog_maps *maps,
		    struct bpf_insn **ret)
{
	_cleanup_free_ struct bpf_insn *insns = malloc((code->n_insns + 1) * sizeof(*insns));

	if (!insns)
		return -ENOMEM;
	memcpy(insns, code->insns, code->n_insns * sizeof(*insns));
	for (size_t i = 0; i < code->n_relocs; i++) {
		if (code->relocs[i].at >= code->n_insns)
			return -EINVAL;
		if (code->relocs[i].kind == QOS_RELOC_KFUNC)
			put_kfunc(&insns[code->relocs[i].at], maps);
		else
			insns[code->relocs[i].at].imm = fd_of(maps, code->relocs[i].kind);
	}
	*ret = TAKE_PTR(insns);
	return 0;
}

int qos_prog_submit(const struct bpf_insn *insns, size_t n, const struct qos_prog_type *type,
		    char *log, unsigned int level)
{
	const int fds[] = {[QOS_PROG_MODULE_BTF] = type->btf_fd};
	struct bpf_prog_load_opts opts = {
		.sz = sizeof(opts),
		.attach_btf_obj_fd = (uint32_t)type->btf_fd,
		.fd_array = type->btf_fd ? fds : NULL,
		.attempts = 5,
		.expected_attach_type = type->attach_btf_id ? BPF_TRACE_RAW_TP : 0,
		.attach_btf_id = type->attach_btf_id,
		.log_level = log ? level : 0,
		.log_buf = log,
		.log_size = log ? QOS_PROG_LOG_BYTES : 0,
	};
	int fd = bpf_prog_load(type->attach_btf_id ? BPF_PROG_TYPE_TRACING
						   : BPF_PROG_TYPE_RAW_TRACEPOINT,
			       "qos_extension", "GPL", insns, n, &opts);

	return fd < 0 ? -errno : fd;
}

static void write_evidence(FILE *file, const struct qos_prog_code *code,
			   const struct bpf_insn *insns, const struct qos_prog_type *type,
			   int error, const char *log)
{
	struct utsname name = {};

	uname(&name);
	fprintf(file, "program: %s\nqosd: " QOS_VERSION "\nkernel: %s %s %s\ntype: %s\nerror: %s\n",
		code->name, name.release, name.version, name.machine,
		type->btf_fd	      ? "tracing (tp_btf/qos_dwcs_event)"
		: type->attach_btf_id ? "tracing (tp_btf/sched_switch)"
				      : "raw_tracepoint",
		strerror(-error));
	fprintf(file, "to be filled in (instruction: 0 frame, 1 state, 2 guard, 3 kfunc):");
	for (size_t i = 0; i < code->n_relocs; i++)
		fprintf(file, " %zu: %d", code->relocs[i].at, code->relocs[i].kind);
	fprintf(file, "\ninstructions (struct bpf_insn, in this machine's byte order):\n");
	for (size_t i = 0; i < code->n_insns; i++) {
		uint64_t raw;

		memcpy(&raw, &insns[i], sizeof(raw));
		fprintf(file, "%4zu: %016" PRIx64 "\n", i, raw);
	}
	fprintf(file, "verifier:\n%s\n", log);
}

/* One file for each program name; a later refusal replaces it. 0 or -errno. */
static int keep_evidence(const struct qos_prog_code *code, const struct bpf_insn *insns,
			 const struct qos_prog_type *type, int error, const char *log, char **ret)
{
	_cleanup_free_ char *path = NULL;
	int fd;
	FILE *file;

	if (asprintf(&path, "%s/refused-%s.txt", type->report_dir, code->name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	for (char *p = path + strlen(type->report_dir) + 1; *p; p++) {
		if (*p == '/' || *p == ' ')
			*p = '-';
	}
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	file = fdopen(fd, "w");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	write_evidence(file, code, insns, type, error, log);
	if (fclose(file))
		return -errno;
	*ret = TAKE_PTR(path);
	return 0;
}

static bool is_verdict(int error)
{
	return error == -EACCES || error == -EINVAL || error == -E2BIG || error == -EPERM;
}

/* Only what the verifier has words for is its refusal; the rest is a lack of the machine. */
static int report(const struct qos_prog_code *code, const struct bpf_insn *insns,
		  const struct qos_prog_type *type, int error, struct qos_diag *diag)
{
	_cleanup_free_ char *log = calloc(1, QOS_PROG_LOG_BYTES);
	_cleanup_free_ char *path = NULL;
	const struct qos_errno_advice *advice = qos_errno_advice("bpf(PROG_LOAD)", -error);
	int again = -1, r = 0;

	if (log && is_verdict(error))
		again = qos_prog_submit(insns, code->n_insns, type, log, 2);
	if (again >= 0)
		return again;
	if (!log || !*log) {
		qos_diag_error(diag, NULL, "%s cannot be loaded: %s: %s", code->name,
			       strerror(-error), advice->cause);
		qos_diag_hint(diag, "%s", advice->remedy);
		return error;
	}
	if (type->report_dir)
		r = keep_evidence(code, insns, type, error, log, &path);
	qos_diag_error(diag, NULL,
		       "the kernel does not take what qosd made of the rules (%s): this is a fault "
		       "of qosd, not of the contract",
		       code->name);
	if (!type->report_dir)
		qos_diag_hint(diag, "report it with the contract, `uname -a`, and what `qosctl "
				    "compile --stage=verifier` says");
	else if (r < 0)
		qos_diag_hint(diag,
			      "report it with the contract and `uname -a`; the evidence could "
			      "not be kept: %s",
			      strerror(-r));
	else
		qos_diag_hint(diag, "report it with %s, which has all that is needed", path);
	return error;
}

int qos_prog_load(const struct qos_prog_code *code, const struct qos_prog_maps *maps,
		  const struct qos_prog_type *type, struct qos_diag *diag)
{
	_cleanup_free_ struct bpf_insn *insns = NULL;
	int r;

	r = relocate(code, maps, &insns);
	if (r < 0)
		return r;
	r = qos_prog_check(insns, code->n_insns, maps, diag);
	if (r < 0)
		return r;
	r = qos_prog_submit(insns, code->n_insns, type, type->log, 1);
	return r < 0 ? report(code, insns, type, r, diag) : r;
}
