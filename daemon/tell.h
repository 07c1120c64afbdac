/* SPDX-License-Identifier: GPL-2.0-only */
/* The one door by which things that happened are told: journal, history and bus. */
#pragma once

#include "supervisor.h"

/* What is known beside kind and words; all borrowed, all optional. */
struct qos_evidence {
	pid_t tid;
	bool on_cpu;
	unsigned int cpu;
	uint32_t muted;
	const char *outcomes;
	const struct qos_history_instead *instead;
	size_t n_instead;
};

/* `contract` may be NULL, or a file's name; `stream` may be NULL. A tid in the words is the caller's
 * affair: `evidence` is for machines. */
void qos_tell(struct qos_supervisor *supervisor, enum qos_history_kind kind, const char *contract,
	      const char *stream, const struct qos_evidence *evidence, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* The same of a stream in force. */
#define qos_tell_of(supervisor, kind, stream, evidence, ...)                                       \
	qos_tell(supervisor, kind, (stream)->live->contract->name, qos_live_wish(stream)->name,    \
		 evidence, __VA_ARGS__)
