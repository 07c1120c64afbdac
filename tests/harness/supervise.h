/* SPDX-License-Identifier: GPL-2.0-only */
/* A supervisor over a directory of its own, without kernel: nothing is measured or scheduled. */
#pragma once

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor.h"

struct supervised {
	struct qos_supervisor *supervisor;
	char dir[64];
	const char *paths[2];
};

static inline int supervise(struct supervised *test)
{
	_cleanup_free_ struct qos_capacity *capacity = calloc(1, sizeof(*capacity));

	memset(test, 0, sizeof(*test));
	strcpy(test->dir, "/tmp/qos-supervised-XXXXXX");
	if (!capacity || !mkdtemp(test->dir))
		return -1;
	test->paths[0] = test->dir;
	test->supervisor = calloc(1, sizeof(*test->supervisor));
	test->supervisor->options = (struct qos_options){.contract_paths = test->paths,
							 .run_dir = test->dir,
							 .pin_dir = test->dir,
							 .front = &qos_front_here};
	qos_config_default(&test->supervisor->config);
	test->supervisor->overrides = calloc(1, sizeof(*test->supervisor->overrides));
	if (qos_supervisor_probe(test->supervisor, &test->supervisor->host) < 0)
		return -1;
	qos_cpus_add(&capacity->online, 0);
	capacity->n_cpus = 1;
	if (qos_lookup_new(&test->supervisor->lookup) < 0)
		return -1;
	return qos_ledger_new(capacity, &test->supervisor->ledger);
}

static inline int supervise_end(struct supervised *test)
{
	char command[96];

	qos_supervisor_free(test->supervisor);
	snprintf(command, sizeof(command), "rm -rf %s", test->dir);
	return system(command);
}

static inline void put_text(const struct supervised *test, const char *file, const char *text)
{
	char path[160];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s.yaml", test->dir, file);
	out = fopen(path, "we");
	if (!out)
		abort();
	fputs(text, out);
	fclose(out);
}

/* A contract that only observes, which needs no room; `more` goes into its cpu section. */
static inline void put_contract(const struct supervised *test, const char *file, const char *name,
				const char *more)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "version: 1\ncontract: %s\nmatch: {unit: not-there.service}\n"
		 "cpu: {period: 10ms, runtime: 1ms, window: 1/10, manage: observe%s}\n",
		 name, more);
	put_text(test, file, text);
}

static inline void put_away(const struct supervised *test, const char *file)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s.yaml", test->dir, file);
	unlink(path);
}

static inline struct qos_live *live_of(const struct supervised *test, const char *file)
{
	for (size_t i = 0; i < test->supervisor->n_lives; i++) {
		struct qos_live *live = test->supervisor->lives[i];

		if (!strncmp(live->file, file, strlen(file)))
			return live;
	}
	return NULL;
}
