/* SPDX-License-Identifier: GPL-2.0-only */
/*
 *     {"version": 1, "links": [{"ifindex": 2, "name": "eth0", "clsact": false, "foreign": true,
 *      "kind": "fq_codel", "handle": 2147549184, "options": "0800..."}]}
 *
 * It lies under /run: with the boot all queues end too. An index is an interface for as long as the
 * namespace lives; one that was taken by another interface meanwhile has another name, and nothing of
 * qosd's on it.
 *
 * Weakness: only queues without classes and filters can be put back, and their counters start anew.
 */
#include "state/links.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/pkt_sched.h>
#include <string.h>

#include "kern/classify.h"
#include "util/file.h"

#define FILE_VERSION 1
#define FILE_MAX     1048576

static void json_freep(json_t **json)
{
	json_decref(*json);
}

void qos_links_free(struct qos_links *links)
{
	if (!links)
		return;
	for (size_t i = 0; i < links->n; i++)
		free(links->records[i].options);
	free(links->records);
	free(links->path);
	free(links);
}

const struct qos_link_record *qos_links_find(const struct qos_links *links, int ifindex)
{
	for (size_t i = 0; i < links->n; i++) {
		if (links->records[i].ifindex == ifindex)
			return &links->records[i];
	}
	return NULL;
}

/* Takes over the record's options. */
static int append(struct qos_links *links, struct qos_link_record *record)
{
	struct qos_link_record *wider = reallocarray(links->records, links->n + 1, sizeof(*wider));

	if (!wider)
		return -ENOMEM;
	links->records = wider;
	wider[links->n++] = *record;
	record->options = NULL;
	return 0;
}

/* --- the file --- */

static json_t *print_options(const struct qos_link_record *record)
{
	char text[sizeof("ff") * QOS_LINKS_OPTIONS_MAX] = "";

	for (size_t i = 0; i < record->options_len; i++)
		sprintf(text + 2 * i, "%02x", record->options[i]);
	return json_string(text);
}

static int save(const struct qos_links *links)
{
	__attribute__((cleanup(json_freep))) json_t *list = json_array();
	__attribute__((cleanup(json_freep))) json_t *file = NULL;
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < links->n; i++) {
		const struct qos_link_record *record = &links->records[i];

		json_array_append_new(list,
				      json_pack("{si ss sb sb ss sI so}", "ifindex",
						record->ifindex, "name", record->name, "clsact",
						record->clsact, "foreign", record->foreign, "kind",
						record->kind, "handle", (json_int_t)record->handle,
						"options", print_options(record)));
	}
	if (json_array_size(list) != links->n)
		return -ENOMEM;
	file = json_pack("{si sO}", "version", FILE_VERSION, "links", list);
	text = file ? json_dumps(file, JSON_COMPACT) : NULL;
	return text ? qos_file_write_atomic(links->path, text, strlen(text), 0600) : -ENOMEM;
}

static int parse_options(const char *text, struct qos_link_record *record)
{
	size_t len = strlen(text);

	if (len % 2 || len > 2UL * QOS_LINKS_OPTIONS_MAX || strspn(text, "0123456789abcdef") != len)
		return -EINVAL;
	record->options_len = len / 2;
	record->options = malloc(record->options_len + 1);
	if (!record->options)
		return -ENOMEM;
	for (size_t i = 0; i < record->options_len; i++)
		sscanf(text + 2 * i, "%2hhx", &record->options[i]);
	return 0;
}

static int parse_record(json_t *json, struct qos_links *links)
{
	struct qos_link_record record = {};
	const char *name, *kind, *options;
	json_int_t handle;
	int clsact, foreign, r;

	if (json_unpack(json, "{si ss sb sb ss sI ss !}", "ifindex", &record.ifindex, "name", &name,
			"clsact", &clsact, "foreign", &foreign, "kind", &kind, "handle", &handle,
			"options", &options) < 0 ||
	    strlen(name) >= sizeof(record.name) || strlen(kind) >= sizeof(record.kind) ||
	    handle < 0 || handle > UINT32_MAX)
		return -EINVAL;
	snprintf(record.name, sizeof(record.name), "%s", name);
	snprintf(record.kind, sizeof(record.kind), "%s", kind);
	record.clsact = clsact;
	record.foreign = foreign;
	record.handle = (uint32_t)handle;
	r = parse_options(options, &record);
	if (r == 0)
		r = append(links, &record);
	free(record.options);
	return r;
}

static int parse(const char *text, size_t len, struct qos_links *links)
{
	__attribute__((cleanup(json_freep))) json_t *file = json_loadb(text, len, 0, NULL);
	json_t *list, *item;
	int version, r = 0;
	size_t i;

	if (!file || json_unpack(file, "{si so !}", "version", &version, "links", &list) < 0 ||
	    version != FILE_VERSION || !json_is_array(list))
		return -EINVAL;
	json_array_foreach(list, i, item) {
		if (r == 0)
			r = parse_record(item, links);
	}
	return r;
}

int qos_links_load(const char *run_dir, struct qos_diag *diag, struct qos_links **ret)
{
	_cleanup_links_ struct qos_links *links = calloc(1, sizeof(*links));
	_cleanup_free_ char *text = NULL;
	struct qos_loc loc = {};
	size_t len = 0;
	int r;

	if (!links)
		return -ENOMEM;
	if (asprintf(&links->path, "%s/" QOS_LINKS_FILE, run_dir) < 0) {
		links->path = NULL;
		return -ENOMEM;
	}
	r = qos_file_read(AT_FDCWD, links->path, FILE_MAX, &text, &len);
	if (r == 0)
		r = parse(text, len, links);
	if (r < 0 && r != -ENOENT) {
		loc.file = links->path;
		qos_diag_error(diag, &loc, "what was on interfaces before qosd cannot be read: %s",
			       strerror(-r));
		qos_diag_hint(diag, "`tc qdisc` shows what is there; remove the file and what qosd "
				    "left (handle 5105:)");
		return r;
	}
	*ret = TAKE_PTR(links);
	return 0;
}

/* --- what was there --- */

/* What of an interface cannot be put back, and clsact. */
struct findings {
	bool clsact;
	bool inner; /* qdiscs below the root */
};

static int take_qdisc(void *data, const struct qos_tc_qdisc *qdisc)
{
	struct findings *findings = data;

	if (qdisc->parent == TC_H_CLSACT)
		findings->clsact = true;
	else if (qdisc->parent != TC_H_ROOT)
		findings->inner = true;
	return 0;
}

static int count(void *data, const void *any)
{
	(*(size_t *)data)++;
	return 0;
}

static int count_class(void *data, const struct qos_tc_class *class)
{
	/* fq_codel and the like show a class a flow, which is not configured */
	return class->handle & 0xffff && class->parent == TC_H_ROOT ? count(data, class) : 0;
}

static int count_filter(void *data, const struct qos_tc_filter *filter)
{
	return count(data, filter);
}

static bool can_be_put_back(struct qos_tc *tc, const struct qos_tc_qdisc *root,
			    const struct findings *findings)
{
	static const char *const classful[] = {"htb", "hfsc", "drr",	"qfq",	  "prio", "mqprio",
					       "mq",  "ets",  "taprio", "multiq", "dwcs", "cbq"};
	size_t n = 0;

	for (size_t i = 0; i < QOS_ARRAY_SIZE(classful); i++) {
		if (!strcmp(root->kind, classful[i]))
			return false;
	}
	qos_tc_each_class(tc, root->ifindex, count_class, &n);
	qos_tc_each_filter(tc, root->ifindex, root->handle, count_filter, &n);
	return !n && !findings->inner && root->options_len <= QOS_LINKS_OPTIONS_MAX;
}

static int record_root(struct qos_tc *tc, const struct findings *findings,
		       struct qos_link_record *record)
{
	struct qos_tc_qdisc root = {};
	void *options = NULL;
	int r = qos_tc_root(tc, record->ifindex, &root, &options);

	if (r == -ENOENT || (r == 0 && !root.handle)) {
		free(options);
		return 0;
	}
	if (r == 0 && !can_be_put_back(tc, &root, findings))
		r = QOS_LINKS_E_CLASSES;
	if (r) {
		free(options);
		return r;
	}
	record->foreign = true;
	record->handle = root.handle;
	memcpy(record->kind, root.kind, sizeof(record->kind));
	record->options = options;
	record->options_len = root.options_len;
	return 0;
}

int qos_links_record(struct qos_links *links, struct qos_tc *tc, const struct qos_tc_link *link)
{
	struct qos_link_record record = {.ifindex = link->ifindex};
	struct findings findings = {};
	int r;

	if (qos_links_find(links, link->ifindex))
		return 0;
	memcpy(record.name, link->name, sizeof(record.name));
	r = qos_tc_each_qdisc(tc, link->ifindex, take_qdisc, &findings);
	if (r < 0)
		return r;
	record.clsact = findings.clsact;
	r = record_root(tc, &findings, &record);
	if (r == 0)
		r = append(links, &record);
	free(record.options);
	if (r)
		return r;
	r = save(links);
	if (r < 0)
		free(links->records[--links->n].options);
	return r;
}

bool qos_links_is_ours(struct qos_tc *tc, int ifindex, struct qos_tc_qdisc *ret)
{
	*ret = (struct qos_tc_qdisc){};
	return qos_tc_root(tc, ifindex, ret, NULL) == 0 && ret->handle == QOS_TC_HANDLE;
}

static int put_back(const struct qos_link_record *record, struct qos_tc *tc, struct qos_diag *diag)
{
	const struct qos_tc_qdisc before = {.ifindex = record->ifindex,
					    .handle = record->handle,
					    .parent = TC_H_ROOT,
					    .options = record->options,
					    .options_len = record->options_len};
	struct qos_tc_qdisc root, copy = before;

	if (!qos_links_is_ours(tc, record->ifindex, &root))
		return 0;
	memcpy(copy.kind, record->kind, sizeof(copy.kind));
	if (record->foreign)
		return qos_tc_qdisc_put(tc, &copy, diag);
	return qos_tc_qdisc_del(tc, record->ifindex, QOS_TC_HANDLE, TC_H_ROOT, diag);
}

int qos_links_restore(struct qos_links *links, struct qos_tc *tc, int ifindex,
		      struct qos_diag *diag)
{
	const struct qos_link_record *record = qos_links_find(links, ifindex);
	size_t i = record ? (size_t)(record - links->records) : 0;
	int r;

	if (!record)
		return 0;
	r = qos_classify_detach(tc, ifindex, !record->clsact);
	if (r >= 0)
		r = put_back(record, tc, diag);
	if (r < 0 && r != -ENODEV)
		return r;
	free(links->records[i].options);
	memmove(&links->records[i], &links->records[i + 1],
		(links->n - i - 1) * sizeof(*links->records));
	links->n--;
	return save(links);
}

int qos_links_restore_all(struct qos_links *links, struct qos_tc *tc)
{
	int failed = 0;

	for (size_t i = links->n; i-- > 0;)
		failed += qos_links_restore(links, tc, links->records[i].ifindex, NULL) < 0;
	return failed;
}
