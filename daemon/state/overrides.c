/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What people set by hand, as JSON:
 *
 *     {"version": 1, "overrides": [{"contract": "camera", "stream": "capture",
 *      "attribute": "runtime", "value": 6000000, "until": 0}]}
 *
 * It lies under /run and so ends with the boot, as `until` (CLOCK_BOOTTIME) does. A wish of a
 * person is a convenience next to the contracts: whatever is wrong with the file costs the entries
 * concerned and a warning, never the daemon's start.
 */
#include "state/overrides.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "util/file.h"

#define FILE_VERSION 1
#define FILE_MAX     1048576 /* QOS_OVERRIDES_MAX entries of at most 1 KiB */

static void json_freep(json_t **json)
{
	json_decref(*json);
}

static void item_reset(struct qos_override *item)
{
	free(item->contract);
	free(item->stream);
	free(item->attribute);
}

void qos_overrides_free(struct qos_overrides *overrides)
{
	if (!overrides)
		return;
	for (size_t i = 0; i < overrides->n_items; i++)
		item_reset(&overrides->items[i]);
	free(overrides->items);
	free(overrides);
}

static struct qos_override *find(const struct qos_overrides *overrides, const char *contract,
				 const char *stream, const char *attribute)
{
	for (size_t i = 0; i < overrides->n_items; i++) {
		struct qos_override *item = &overrides->items[i];

		if (strcmp(item->contract, contract) == 0 && strcmp(item->stream, stream) == 0 &&
		    strcmp(item->attribute, attribute) == 0)
			return item;
	}
	return NULL;
}

const struct qos_override *qos_overrides_find(const struct qos_overrides *overrides,
					      const char *contract, const char *stream,
					      const char *attribute)
{
	return find(overrides, contract, stream, attribute);
}

static int append(struct qos_overrides *overrides, const struct qos_override *values)
{
	struct qos_override *wider, item = *values;

	if (overrides->n_items == QOS_OVERRIDES_MAX)
		return -E2BIG;
	wider = reallocarray(overrides->items, overrides->n_items + 1, sizeof(*wider));
	if (!wider)
		return -ENOMEM;
	overrides->items = wider;
	item.contract = strdup(values->contract);
	item.stream = strdup(values->stream);
	item.attribute = strdup(values->attribute);
	if (!item.contract || !item.stream || !item.attribute) {
		item_reset(&item);
		return -ENOMEM;
	}
	wider[overrides->n_items++] = item;
	return 0;
}

int qos_overrides_set(struct qos_overrides *overrides, const char *contract, const char *stream,
		      const char *attribute, uint64_t value, uint64_t until_ns)
{
	struct qos_override *item = find(overrides, contract, stream, attribute);

	if (value > INT64_MAX || until_ns > INT64_MAX)
		return -ERANGE;
	if (!item)
		return append(overrides, &(struct qos_override){.contract = (char *)contract,
								.stream = (char *)stream,
								.attribute = (char *)attribute,
								.value = value,
								.until_ns = until_ns});
	item->value = value;
	item->until_ns = until_ns;
	item->retry_ns = 0;
	item->refusals = 0;
	return 0;
}

size_t qos_overrides_drop(struct qos_overrides *overrides, const char *contract, const char *stream)
{
	size_t kept = 0, n = overrides->n_items;

	/* what goes moves to the end and is freed last: the names may be those of an item */
	for (size_t i = 0; i < n; i++) {
		struct qos_override item = overrides->items[i];

		if (strcmp(item.contract, contract) == 0 &&
		    (!stream || strcmp(item.stream, stream) == 0))
			continue;
		overrides->items[i] = overrides->items[kept];
		overrides->items[kept++] = item;
	}
	for (size_t i = kept; i < n; i++)
		item_reset(&overrides->items[i]);
	overrides->n_items = kept;
	return n - kept;
}

/* --- reading --- */

/* Exactly the five keys, each of its type; strict, so that a typing error shows. */
static int read_item(json_t *json, struct qos_overrides *overrides)
{
	const char *contract, *stream, *attribute;
	json_int_t value, until;

	if (json_unpack_ex(json, NULL, JSON_STRICT, "{s:s, s:s, s:s, s:I, s:I}", "contract",
			   &contract, "stream", &stream, "attribute", &attribute, "value", &value,
			   "until", &until) < 0 ||
	    value < 0 || until < 0)
		return -EINVAL;
	return qos_overrides_set(overrides, contract, stream, attribute, (uint64_t)value,
				 (uint64_t)until);
}

static int read_items(const char *path, json_t *list, struct qos_diag *diag,
		      struct qos_overrides *overrides)
{
	struct qos_loc loc = {.file = path};
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		int r = read_item(item, overrides);

		if (r == -ENOMEM)
			return r;
		if (r == -E2BIG) {
			qos_diag_warning(diag, &loc, "more than %d overrides; the rest is ignored",
					 QOS_OVERRIDES_MAX);
			return 0;
		}
		if (r < 0)
			qos_diag_warning(diag, &loc, "override %zu is malformed and ignored",
					 i + 1);
	}
	return 0;
}

static int read_json(const char *path, const char *text, size_t len, struct qos_diag *diag,
		     struct qos_overrides *overrides)
{
	QOS_CLEANUP(json_freep) json_t *root = NULL;
	struct qos_loc loc = {.file = path};
	json_error_t error;
	json_t *list;
	int version;

	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!root) {
		loc.line = error.line > 0 ? (unsigned int)error.line : 0;
		loc.col = error.column > 0 ? (unsigned int)error.column : 0;
		qos_diag_warning(diag, &loc, "overrides are lost: %s", error.text);
		return 0;
	}
	if (json_unpack_ex(root, NULL, JSON_STRICT, "{s:i, s:o}", "version", &version, "overrides",
			   &list) < 0 ||
	    version != FILE_VERSION || !json_is_array(list)) {
		qos_diag_warning(diag, &loc, "overrides are lost: not a file of version %d",
				 FILE_VERSION);
		return 0;
	}
	return read_items(path, list, diag, overrides);
}

int qos_overrides_load(const char *path, struct qos_diag *diag, struct qos_overrides **ret)
{
	_cleanup_overrides_ struct qos_overrides *overrides = calloc(1, sizeof(*overrides));
	_cleanup_free_ char *text = NULL;
	struct qos_loc loc = {.file = path};
	size_t len;
	int r;

	if (!overrides)
		return -ENOMEM;
	r = qos_file_read(AT_FDCWD, path, FILE_MAX, &text, &len);
	if (r == -ENOMEM)
		return r;
	if (r == 0)
		r = read_json(path, text, len, diag, overrides);
	else if (r != -ENOENT)
		qos_diag_warning(diag, &loc, "overrides are lost: %s", strerror(-r));
	if (r == -ENOMEM)
		return r;
	*ret = TAKE_PTR(overrides);
	return 0;
}

/* --- writing --- */

static json_t *to_json(const struct qos_overrides *overrides)
{
	json_t *list = json_array();

	for (size_t i = 0; i < overrides->n_items; i++) {
		const struct qos_override *item = &overrides->items[i];

		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:I, s:I}", "contract",
						item->contract, "stream", item->stream, "attribute",
						item->attribute, "value", (json_int_t)item->value,
						"until", (json_int_t)item->until_ns));
	}
	return json_pack("{s:i, s:o}", "version", FILE_VERSION, "overrides", list);
}

int qos_overrides_save(const char *path, const struct qos_overrides *overrides)
{
	QOS_CLEANUP(json_freep) json_t *root = to_json(overrides);
	_cleanup_free_ char *text = NULL;

	if (!root || json_array_size(json_object_get(root, "overrides")) != overrides->n_items)
		return -ENOMEM;
	text = json_dumps(root, JSON_INDENT(2));
	if (!text)
		return -ENOMEM;
	return qos_file_write_atomic(path, text, strlen(text), 0600);
}
