/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon and not the client keeps the time, since the client may be the first victim of what it
 * applied; and the record lies beside the file (state/pending.h), since the daemon may be the next.
 *
 * Weakness: what a person does to the file by hand meanwhile is undone with it.
 */
#include "confirm.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "reload.h"
#include "tell.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/text.h"

static const char keep_or_undo[] =
	"`qosctl confirm` keeps it, `qosctl confirm --undo` puts back what was there";

static const char keep_after_failure[] =
	"qosctl events has the reason; `qosctl confirm` keeps what stands there now";

static double left_s(const struct qos_pending *pending)
{
	uint64_t now_ns = qos_clock_ns(CLOCK_BOOTTIME);

	return pending->until_ns > now_ns ? (double)(pending->until_ns - now_ns) / 1e9 : 0;
}

json_t *qos_confirm_json(const struct qos_supervisor *supervisor)
{
	const struct qos_pending *pending = supervisor->pending;

	if (!pending)
		return json_null();
	return json_pack("{ss++ sf}", "file", pending->dir, "/", pending->file, "left_s",
			 left_s(pending));
}

void qos_confirm_problem(const struct qos_supervisor *supervisor,
			 void (*add)(void *data, const char *text, const char *hint), void *data)
{
	const struct qos_pending *pending = supervisor->pending;
	char text[160];

	if (!pending)
		return;
	snprintf(text, sizeof(text), "%s waits for its confirmation: %.0f s are left",
		 pending->file, left_s(pending));
	if (supervisor->pending_failed)
		snprintf(text, sizeof(text),
			 "%s was not confirmed, and cannot be put back; it is tried again",
			 pending->file);
	add(data, text, supervisor->pending_failed ? keep_after_failure : keep_or_undo);
}

/* The daemon's own spelling of a directory that it reads; NULL: it does not. */
static const char *find_dir(const struct qos_supervisor *supervisor, const char *dir)
{
	const char *const *paths = supervisor->options.contract_paths;
	struct stat wanted, st;

	if (stat(dir, &wanted) < 0)
		return NULL;
	for (size_t i = 0; paths[i]; i++) {
		if (stat(paths[i], &st) == 0 && S_ISDIR(st.st_mode) && st.st_dev == wanted.st_dev &&
		    st.st_ino == wanted.st_ino)
			return paths[i];
	}
	return NULL;
}

static json_t *answer(const struct qos_pending *pending, const char *action)
{
	return json_pack("{si ss++ ss}", "schema", 1, "file", pending->dir, "/", pending->file,
			 "action", action);
}

int qos_confirm_begin(struct qos_supervisor *supervisor, const char *dir, const char *name,
		      uint64_t until_ns, struct qos_diag *diag, json_t **ret)
{
	const char *own = find_dir(supervisor, dir);
	_cleanup_free_ char *file = NULL;
	int r;

	if (supervisor->pending) {
		qos_diag_error(diag, NULL, "%s waits for its confirmation",
			       supervisor->pending->file);
		qos_diag_hint(diag, "%s", keep_or_undo);
		return -EBUSY;
	}
	if (!own || !qos_text_is_contract_name(name))
		return qos_diag_error(diag, NULL, "the running qosd does not read %s/%s.yaml", dir,
				      name);
	if (asprintf(&file, "%s.yaml", name) < 0) {
		file = NULL;
		return -ENOMEM;
	}
	r = qos_pending_begin(own, file, until_ns, &supervisor->pending);
	if (r < 0) {
		qos_diag_error(diag, NULL, "qosd could not put back %s/%s: %s", own, file,
			       strerror(-r));
		qos_diag_hint(diag, r == -EROFS
					    ? "systemctl restart qosd, if the directory is new; "
					      "or apply without --confirm"
				    : r == -ENOSPC ? "make room there; nothing was changed"
						   : "apply without --confirm");
		return r;
	}
	*ret = answer(supervisor->pending, "waits");
	return *ret ? 0 : -ENOMEM;
}

/* What was told of this one is not told of the next. */
static void forget(struct qos_supervisor *supervisor)
{
	qos_pending_free(TAKE_PTR(supervisor->pending));
	supervisor->pending_failed = false;
}

static int undo(struct qos_supervisor *supervisor, const char *why)
{
	struct qos_pending *pending = supervisor->pending;
	int r = qos_pending_undo(pending);

	if (r < 0) {
		if (!supervisor->pending_failed)
			qos_tell(supervisor, QOS_HISTORY_ROLLED_BACK, pending->file, NULL, NULL,
				 "%s/%s: cannot be put back, and is tried again: %s", pending->dir,
				 pending->file, strerror(-r));
		supervisor->pending_failed = true;
		return r;
	}
	qos_tell(supervisor, QOS_HISTORY_ROLLED_BACK, pending->file, NULL, NULL,
		 "%s/%s: %s: what was there before stands again", pending->dir, pending->file, why);
	qos_file_sweep(pending->dir); /* the client may have died while it wrote */
	forget(supervisor);
	return 0;
}

/* A panic goes on: what it undid must not come back by itself. Where what was put back has errors, or is refused,
 * a second reload takes out what rules instead, which nobody confirmed (settle.c). */
static int undo_and_reload(struct qos_supervisor *supervisor, const char *why)
{
	_cleanup_free_ char *file = strdup(supervisor->pending->file);
	struct qos_reload_summary summary;
	const struct qos_live *live;
	int r = file ? undo(supervisor, why) : -ENOMEM;

	if (r == 0 && !supervisor->panicked)
		r = qos_supervisor_reload(supervisor, &summary);
	if (r < 0)
		return r;
	live = qos_plan_find_file(supervisor, file);
	if (live && live->stale && live->unconfirmed && !supervisor->panicked)
		r = qos_supervisor_reload(supervisor, &summary);
	return r;
}

int qos_confirm_end(struct qos_supervisor *supervisor, bool keep, struct qos_diag *diag,
		    json_t **ret)
{
	struct qos_pending *pending = supervisor->pending;
	int r;

	if (!pending) {
		qos_diag_error(diag, NULL, "nothing waits for a confirmation");
		qos_diag_hint(diag, "it was confirmed, or put back: qosctl events has it");
		return -ENOENT;
	}
	*ret = answer(pending, keep ? "kept" : "rolled-back");
	if (!*ret)
		return -ENOMEM;
	if (keep) {
		struct qos_live *live = qos_plan_find_file(supervisor, pending->file);

		r = qos_pending_keep(pending);
		if (r == 0 && live)
			live->unconfirmed = false;
		if (r == 0)
			forget(supervisor);
	} else {
		r = undo_and_reload(supervisor, "undone by a person");
	}
	if (r < 0)
		json_decref(TAKE_PTR(*ret));
	if (r < 0 && supervisor->pending) {
		qos_diag_error(diag, NULL, "%s/%s cannot be %s: %s", pending->dir, pending->file,
			       keep ? "kept" : "put back", strerror(-r));
		qos_diag_hint(diag, "it still waits; see that qosd can write in that directory");
	}
	return r;
}

int qos_confirm_start(struct qos_supervisor *supervisor)
{
	int r = qos_pending_load(supervisor->options.contract_paths, &supervisor->diag,
				 &supervisor->pending);

	if (r < 0 || !supervisor->pending)
		return r;
	if (!supervisor->pending->until_ns)
		undo(supervisor, "nobody confirmed it before the machine was booted");
	else if (supervisor->pending->until_ns <= qos_clock_ns(CLOCK_BOOTTIME))
		undo(supervisor, "nobody confirmed it in time");
	return 0;
}

void qos_confirm_expire(struct qos_supervisor *supervisor, uint64_t now_boot_ns)
{
	if (supervisor->pending && supervisor->pending->until_ns <= now_boot_ns)
		undo_and_reload(supervisor, "nobody confirmed it in time");
}
