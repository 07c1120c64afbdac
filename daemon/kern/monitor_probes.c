/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User probes of `job: {begin, end}`: uprobes at a symbol, or USDT marks, in every process that maps
 * the file, since the program may not run yet. The stream's id is the probe's cookie; threads of
 * other streams, and strangers, pay the trap and are ignored.
 *
 * Weakness: a trap costs the program about a microsecond, and libbpf reads the whole symbol table.
 */
#include "kern/monitor.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "kern/monitor_parts.h"
#include "kern/probe.h"

enum kind { UPROBE, USDT };

/* A spec in its parts; they point into `copy`. */
struct spec {
	enum kind kind;
	char *copy;
	const char *path;
	const char *symbol; /* USDT: the provider */
	const char *name;   /* USDT */
};

static void spec_done(struct spec *spec)
{
	free(spec->copy);
}

static const struct form {
	const char *prefix;
	enum kind kind;
} forms[] = {{"uprobe:", UPROBE}, {"usdt:", USDT}};

static const char *cut(char **rest)
{
	const char *part = strsep(rest, ":");

	return part && *part ? part : NULL;
}

/* 0, -EINVAL or -ENOMEM. */
static int parse(const char *text, struct spec *ret)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(forms); i++) {
		char *rest;

		if (strncmp(text, forms[i].prefix, strlen(forms[i].prefix)))
			continue;
		ret->kind = forms[i].kind;
		ret->copy = rest = strdup(text + strlen(forms[i].prefix));
		if (!rest)
			return -ENOMEM;
		ret->path = cut(&rest);
		ret->symbol = cut(&rest);
		ret->name = ret->kind == USDT ? cut(&rest) : "";
		return ret->path && ret->symbol && ret->name && !rest ? 0 : -EINVAL;
	}
	return -EINVAL;
}

static struct bpf_link *attach_spec(struct bpf_program *program, const struct spec *spec,
				    uint32_t stream)
{
	const struct bpf_uprobe_opts uprobe = {
		.sz = sizeof(uprobe), .func_name = spec->symbol, .bpf_cookie = stream};
	const struct bpf_usdt_opts usdt = {.sz = sizeof(usdt), .usdt_cookie = stream};

	if (spec->kind == USDT)
		return bpf_program__attach_usdt(program, -1, spec->path, spec->symbol, spec->name,
						&usdt);
	return bpf_program__attach_uprobe_opts(program, -1, spec->path, 0, &uprobe);
}

/* `end`: which of the two programs. 0 or -errno with words. */
static int attach(struct qos_monitor *monitor, uint32_t stream, const char *text, bool end,
		  struct qos_diag *diag, struct bpf_link **ret)
{
	QOS_CLEANUP(spec_done) struct spec spec = {};
	const struct qos_errno_advice *advice;
	struct bpf_link *link;
	int r = parse(text, &spec);

	if (r == -EINVAL) {
		qos_diag_error(diag, NULL, "'%s' is not a probe", text);
		qos_diag_hint(diag, "write usdt:PATH:PROVIDER:NAME or uprobe:PATH:SYMBOL");
	}
	if (r < 0)
		return r;
	link = attach_spec(monitor->probe_programs[spec.kind][end], &spec, stream);
	if (link) {
		*ret = link;
		return 0;
	}
	r = errno ? -errno : -ENOENT;
	advice = qos_errno_advice("uprobe", -r);
	qos_diag_error(diag, NULL, "the probe %s cannot be set: %s: %s", text, strerror(-r),
		       advice->cause);
	qos_diag_hint(diag, "%s", advice->remedy);
	return r;
}

static void destroy(struct qos_monitor_probes *probes)
{
	bpf_link__destroy(probes->begin);
	bpf_link__destroy(probes->end);
}

static int add(struct qos_monitor *monitor, const struct qos_monitor_probes *probes)
{
	struct qos_monitor_probes *grown =
		reallocarray(monitor->probes, monitor->n_probes + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	grown[monitor->n_probes++] = *probes;
	monitor->probes = grown;
	return 0;
}

int qos_monitor_stream_probes(struct qos_monitor *monitor, uint32_t id, const char *begin,
			      const char *end, struct qos_diag *diag)
{
	struct qos_monitor_probes probes = {.stream = id};
	int r;

	qos_monitor_probes_remove(monitor, id);
	r = attach(monitor, id, begin, false, diag, &probes.begin);
	if (!r)
		r = attach(monitor, id, end, true, diag, &probes.end);
	if (!r)
		r = add(monitor, &probes);
	if (r < 0)
		destroy(&probes);
	malloc_trim(0); /* symbol tables */
	return r;
}

void qos_monitor_probes_remove(struct qos_monitor *monitor, uint32_t stream)
{
	for (size_t i = 0; i < monitor->n_probes; i++) {
		if (monitor->probes[i].stream != stream)
			continue;
		destroy(&monitor->probes[i]);
		monitor->probes[i] = monitor->probes[--monitor->n_probes];
		return;
	}
}

void qos_monitor_probes_free(struct qos_monitor *monitor)
{
	while (monitor->n_probes)
		destroy(&monitor->probes[--monitor->n_probes]);
	free(monitor->probes);
}
