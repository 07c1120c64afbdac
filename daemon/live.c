/* SPDX-License-Identifier: GPL-2.0-only */
/* Plain data with owners; the rules of the game are in reload.c, threads.c and turn.c. */
#include "live.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

const char *const qos_live_state_names[] = {"in-force", "waiting", "refused", "invalid", NULL};
const char *const qos_adapted_by_names[] = {"law", "person", "revert", "supply", "rules", NULL};

int qos_live_new(const char *file, const char *path, struct qos_live **ret)
{
	_cleanup_live_ struct qos_live *live = calloc(1, sizeof(*live));

	if (!live)
		return -ENOMEM;
	live->state = QOS_LIVE_INVALID;
	live->file = strdup(file);
	live->path = strdup(path);
	if (!live->file || !live->path)
		return -ENOMEM;
	*ret = TAKE_PTR(live);
	return 0;
}

static void drop_streams(struct qos_live *live)
{
	for (size_t i = 0; i < live->n_streams; i++) {
		free(live->streams[i].before);
		free(live->streams[i].kept);
	}
	free(live->streams);
}

void qos_live_free(struct qos_live *live)
{
	if (!live)
		return;
	assert(!live->extension); /* it has places in the kernel: qos_extend_retire() */
	drop_streams(live);
	free(live->adaptations);
	qos_contract_free(live->contract);
	qos_diag_reset(&live->diag);
	free(live->reason);
	free(live->file);
	free(live->path);
	free(live);
}

void qos_live_set_state(struct qos_live *live, enum qos_live_state state, const char *format, ...)
{
	char *reason = NULL;
	va_list args;

	live->state = state;
	if (format) {
		va_start(args, format);
		if (vasprintf(&reason, format, args) < 0)
			reason = NULL;
		va_end(args);
	}
	free(live->reason);
	live->reason = reason;
}

struct qos_live_stream *qos_live_stream(struct qos_live *live, const char *name)
{
	for (size_t i = 0; i < live->n_streams; i++) {
		if (!strcmp(live->contract->cpu[live->streams[i].index].name, name))
			return &live->streams[i];
	}
	return NULL;
}

void qos_live_remember(struct qos_live *live, const struct qos_adaptation *adaptation)
{
	struct qos_adaptation *grown;

	if (live->n_adaptations == QOS_ADAPTATIONS_MAX) {
		memmove(live->adaptations, live->adaptations + 1,
			(QOS_ADAPTATIONS_MAX - 1) * sizeof(*live->adaptations));
		live->adaptations[QOS_ADAPTATIONS_MAX - 1] = *adaptation;
		return;
	}
	grown = reallocarray(live->adaptations, live->n_adaptations + 1, sizeof(*grown));
	if (!grown)
		return;
	live->adaptations = grown;
	grown[live->n_adaptations++] = *adaptation;
}
