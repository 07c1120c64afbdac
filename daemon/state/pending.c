/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In the directory of the file, where no reader of contracts looks, since the names are hidden:
 *
 *     .qosd-unconfirmed   {"version": 1, "file": "camera.yaml", "stood": true, "boot": ID, "until": NS}
 *     .camera.yaml.before a hard link to what stood there: its very bytes, mode and owner, or the link
 *
 * begin: link, then record. keep: the record goes, then the link. undo: the link is renamed over the file
 * (or the file goes), then the record does. So after a kill a record without its link means that all is as
 * it was before, and a link without a record means nothing. That the record went is synced: one that a power
 * cut brought back would undo at the next start what a person has confirmed.
 */
#include "state/pending.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-id128.h>

#include "state/store_list.h"
#include "util/file.h"
#include "util/text.h"

#define RECORD	     ".qosd-unconfirmed"
#define RECORD_BYTES 4096
#define VERSION	     1

void qos_pending_free(struct qos_pending *pending)
{
	if (!pending)
		return;
	free(pending->dir);
	free(pending->file);
	free(pending);
}

static int make(const char *dir, const char *file, struct qos_pending **ret)
{
	_cleanup_pending_ struct qos_pending *pending = calloc(1, sizeof(*pending));

	if (!pending)
		return -ENOMEM;
	pending->dir = strdup(dir);
	pending->file = strdup(file);
	if (!pending->dir || !pending->file)
		return -ENOMEM;
	*ret = TAKE_PTR(pending);
	return 0;
}

static int join(char **ret, const char *dir, const char *before, const char *file,
		const char *behind)
{
	if (asprintf(ret, "%s/%s%s%s", dir, before, file, behind) >= 0)
		return 0;
	*ret = NULL;
	return -ENOMEM;
}

static int remove_name(const char *path)
{
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int boot_id(char ret[SD_ID128_STRING_MAX])
{
	sd_id128_t id;
	int r = sd_id128_get_boot(&id);

	if (r >= 0)
		sd_id128_to_string(id, ret);
	return r < 0 ? r : 0;
}

/* --- begin --- */

static int write_record(const struct qos_pending *pending)
{
	char boot[SD_ID128_STRING_MAX];
	_cleanup_free_ char *path = NULL, *text = NULL;
	json_auto_t *json = NULL;
	int r = boot_id(boot);

	if (r == 0)
		r = join(&path, pending->dir, RECORD, "", "");
	if (r < 0)
		return r;
	json = json_pack("{si ss sb ss sI}", "version", VERSION, "file", pending->file, "stood",
			 pending->stood, "boot", boot, "until", (json_int_t)pending->until_ns);
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	return text ? qos_file_write_atomic(path, text, strlen(text), 0600) : -ENOMEM;
}

/* A link left by a kill is of no use to anybody. */
static int link_before(struct qos_pending *pending)
{
	_cleanup_free_ char *path = NULL, *before = NULL;
	int r = join(&path, pending->dir, "", pending->file, "");

	if (r == 0)
		r = join(&before, pending->dir, ".", pending->file, ".before");
	if (r == 0)
		r = remove_name(before);
	if (r < 0)
		return r;
	pending->stood = pending->linked = linkat(AT_FDCWD, path, AT_FDCWD, before, 0) == 0;
	return pending->stood || errno == ENOENT ? 0 : -errno;
}

int qos_pending_begin(const char *dir, const char *file, uint64_t until_ns,
		      struct qos_pending **ret)
{
	_cleanup_pending_ struct qos_pending *pending = NULL;
	int r = make(dir, file, &pending);

	if (r < 0)
		return r;
	pending->until_ns = until_ns;
	r = link_before(pending);
	if (r == 0)
		r = write_record(pending);
	if (r < 0) {
		qos_pending_keep(pending);
		return r;
	}
	*ret = TAKE_PTR(pending);
	return 0;
}

/* --- the end of it --- */

int qos_pending_keep(const struct qos_pending *pending)
{
	_cleanup_free_ char *record = NULL, *before = NULL;
	int r = join(&record, pending->dir, RECORD, "", "");

	if (r == 0)
		r = join(&before, pending->dir, ".", pending->file, ".before");
	if (r == 0)
		r = remove_name(record);
	if (r == 0)
		r = qos_file_sync_directory(pending->dir);
	if (r == 0)
		(void)remove_name(before);
	return r;
}

static int put_back(struct qos_pending *pending)
{
	_cleanup_free_ char *path = NULL, *before = NULL;
	int r = join(&path, pending->dir, "", pending->file, "");

	if (r == 0)
		r = join(&before, pending->dir, ".", pending->file, ".before");
	if (r < 0)
		return r;
	if (!pending->stood)
		return remove_name(path);
	/* of two names of one file rename leaves both: then nothing was changed yet */
	if (rename(before, path) < 0 && (errno != ENOENT || pending->linked))
		return -errno;
	pending->linked = false;
	return 0;
}

int qos_pending_undo(struct qos_pending *pending)
{
	int r = put_back(pending);

	return r < 0 ? r : qos_pending_keep(pending);
}

/* --- load --- */

static bool is_contract_file(const char *file)
{
	_cleanup_free_ char *name = strdup(file);
	size_t len = strlen(file);

	if (!name || !qos_store_has_suffix(file, ".yaml"))
		return false;
	name[len - 5] = '\0';
	return qos_text_is_contract_name(name);
}

static int read_record(const char *dir, const char *text, struct qos_pending **ret)
{
	json_auto_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	char now[SD_ID128_STRING_MAX];
	const char *file, *boot;
	int version, stood, r;
	json_int_t until;

	if (json_unpack_ex(json, NULL, JSON_STRICT, "{s:i, s:s, s:b, s:s, s:I}", "version",
			   &version, "file", &file, "stood", &stood, "boot", &boot, "until",
			   &until) < 0 ||
	    version != VERSION || until < 0 || !is_contract_file(file))
		return -EINVAL;
	r = make(dir, file, ret);
	if (r < 0)
		return r;
	(*ret)->stood = stood;
	(*ret)->until_ns = boot_id(now) == 0 && !strcmp(now, boot) ? (uint64_t)until : 0;
	return 0;
}

int qos_pending_load(const char *const *dirs, struct qos_diag *diag, struct qos_pending **ret)
{
	*ret = NULL;
	for (size_t i = 0; dirs[i] && !*ret; i++) {
		_cleanup_free_ char *path = NULL, *text = NULL;
		struct qos_loc loc = {};
		size_t len;
		int r = join(&path, dirs[i], RECORD, "", "");

		if (r == 0)
			r = qos_file_read(AT_FDCWD, path, RECORD_BYTES, &text, &len);
		if (r == 0)
			r = read_record(dirs[i], text, ret);
		if (r == -ENOMEM)
			return r;
		if (r == 0 || r == -ENOENT || r == -ENOTDIR)
			continue;
		loc.file = path;
		qos_diag_warning(diag, &loc, "what waits for a confirmation cannot be read: %s",
				 strerror(-r));
		qos_diag_hint(diag, "look at the contract that was applied last, then remove this "
				    "file");
	}
	return 0;
}
