/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The JSON form of struct qos_host, for `doctor --dump-host` and `--host`. A dump may come from
 * anywhere: it is read as strictly as a contract, and its size is bounded.
 * Weakness: the dump of a newer version that knows more features is refused.
 */
#include "contract/host.h"

#include <errno.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>

#include "contract/fields.h"
#include "util/text.h"

#define SCHEMA	  1
#define BYTES_MAX (4 << 20)
#define HINT	  "write a fresh dump with `qosctl doctor --dump-host`"

/* Policies by name, in the order of policy_values. */
static const char *const policy_names[] = {"fifo", "rr", "deadline", NULL};
static const int policy_values[] = {SCHED_FIFO, SCHED_RR, SCHED_DEADLINE};

static int find_word(const char *const *words, const char *word)
{
	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], word) == 0)
			return i;
	}
	return -EINVAL;
}

static json_t *print_schema(const struct qos_field *field, const void *at)
{
	return json_integer(SCHEMA);
}

static int parse_schema(struct qos_fields_reader *in, const struct qos_field *field,
			const json_t *json, void *at)
{
	int64_t value;

	return qos_fields_number(in, field, json, &value);
}

static json_t *print_policy(const struct qos_field *field, const void *at)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(policy_values); i++) {
		if (policy_values[i] == *(const int *)at)
			return json_string(policy_names[i]);
	}
	return json_string(policy_names[0]);
}

static int parse_policy(struct qos_fields_reader *in, const struct qos_field *field,
			const json_t *json, void *at)
{
	int i = json_is_string(json) ? find_word(policy_names, json_string_value(json)) : -EINVAL;

	if (i < 0)
		return qos_fields_wrong(in, field);
	*(int *)at = policy_values[i];
	return 0;
}

static const struct qos_field_type type_schema = {print_schema, parse_schema,
						  "a version that this qosctl knows (1)"};
static const struct qos_field_type type_policy = {print_policy, parse_policy,
						  "fifo, rr or deadline"};

static json_t *print_features(const struct qos_field *field, const void *at)
{
	_cleanup_json_ json_t *object = json_object();
	const enum qos_feature_state *feature = at;

	if (!object)
		return NULL;
	for (size_t i = 0; i < QOS_FEATURE_COUNT; i++) {
		const char *state = qos_feature_state_names[feature[i]];

		if (json_object_set_new(object, qos_feature_names[i], json_string(state)) < 0)
			return NULL;
	}
	return TAKE_PTR(object);
}

static int find_feature(const char *key)
{
	for (int i = 0; i < QOS_FEATURE_COUNT; i++) {
		if (strcmp(qos_feature_names[i], key) == 0)
			return i;
	}
	return -EINVAL;
}

static int parse_feature(struct qos_fields_reader *in, const struct qos_field *field,
			 const char *key, const json_t *json, enum qos_feature_state *feature)
{
	const char *known[QOS_FEATURE_COUNT + 1] = {};
	int i = find_feature(key), state;
	size_t len;

	memcpy(known, qos_feature_names, sizeof(qos_feature_names));
	if (i < 0)
		return qos_fields_unknown(in, key, known);
	state = json_is_string(json) ? find_word(qos_feature_state_names, json_string_value(json))
				     : -EINVAL;
	if (state >= 0) {
		feature[i] = (enum qos_feature_state)state;
		return 0;
	}
	len = qos_fields_path_add(in, key);
	qos_fields_wrong(in, field);
	qos_fields_path_cut(in, len);
	return -EINVAL;
}

static int parse_features(struct qos_fields_reader *in, const struct qos_field *field,
			  const json_t *json, void *at)
{
	const char *key;
	json_t *value;
	int result = 0, r;

	if (!json_is_object(json))
		return qos_fields_wrong(in, field);
	json_object_foreach((json_t *)json, key, value) {
		r = parse_feature(in, field, key, value, at);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			result = r;
	}
	return result;
}

static const struct qos_field_type type_features = {
	print_features, parse_features, "a map of unknown, absent, off, denied, present"};

/* Lists: their length stands beside them in struct qos_host, so `at` is the host (offset 0). */

static const struct qos_field foreign_fields[] = {
	{"tid", &qos_field_i32, offsetof(struct qos_foreign, tid), 0, INT32_MAX},
	{"comm", &qos_field_chars, offsetof(struct qos_foreign, comm), 0, 16},
	{"policy", &type_policy, offsetof(struct qos_foreign, policy)},
	{"priority", &qos_field_i32, offsetof(struct qos_foreign, priority), 0, 99},
	{"runtime_ns", &qos_field_u64, offsetof(struct qos_foreign, runtime_ns), 0, INT64_MAX},
	{"period_ns", &qos_field_u64, offsetof(struct qos_foreign, period_ns), 0, INT64_MAX},
	{"used_ppm", &qos_field_u32, offsetof(struct qos_foreign, used_ppm), 0, UINT32_MAX},
	{"cpus", &qos_field_cpus, offsetof(struct qos_foreign, cpus)},
};

static const struct qos_field interface_fields[] = {
	{"name", &qos_field_chars, offsetof(struct qos_interface, name), 0, 16},
	{"speed_bps", &qos_field_u64, offsetof(struct qos_interface, speed_bps), 0, INT64_MAX},
	{"largest_bytes", &qos_field_u64, offsetof(struct qos_interface, largest_bytes), 0,
	 1 << 20},
	{"qdisc", &qos_field_chars, offsetof(struct qos_interface, qdisc), 0, 16},
};

static json_t *print_foreign(const struct qos_field *field, const void *at)
{
	const struct qos_host *host = at;

	return qos_fields_print_array(foreign_fields, QOS_ARRAY_SIZE(foreign_fields), host->foreign,
				      sizeof(host->foreign[0]), host->n_foreign);
}

static int parse_foreign(struct qos_fields_reader *in, const struct qos_field *field,
			 const json_t *json, void *at)
{
	struct qos_host *host = at;

	if (!json_is_array(json) || json_array_size(json) > QOS_FOREIGN_MAX)
		return qos_fields_wrong(in, field);
	host->n_foreign = json_array_size(json);
	return qos_fields_parse_array(in, foreign_fields, QOS_ARRAY_SIZE(foreign_fields), json,
				      host->foreign, sizeof(host->foreign[0]));
}

static json_t *print_interfaces(const struct qos_field *field, const void *at)
{
	const struct qos_host *host = at;

	return qos_fields_print_array(interface_fields, QOS_ARRAY_SIZE(interface_fields),
				      host->interfaces, sizeof(host->interfaces[0]),
				      host->n_interfaces);
}

static int parse_interfaces(struct qos_fields_reader *in, const struct qos_field *field,
			    const json_t *json, void *at)
{
	struct qos_host *host = at;
	size_t n = json_array_size(json);

	if (!json_is_array(json))
		return qos_fields_wrong(in, field);
	if (n == 0)
		return 0;
	host->interfaces = calloc(n, sizeof(*host->interfaces));
	if (!host->interfaces)
		return -ENOMEM;
	host->n_interfaces = n;
	return qos_fields_parse_array(in, interface_fields, QOS_ARRAY_SIZE(interface_fields), json,
				      host->interfaces, sizeof(host->interfaces[0]));
}

/* NULL is not known and goes as null; a list may be empty. */
static json_t *print_names(char *const *names, size_t n)
{
	_cleanup_json_ json_t *array = NULL;

	if (!names)
		return json_null();
	array = json_array();
	for (size_t i = 0; array && i < n; i++) {
		if (json_array_append_new(array, qos_fields_text(names[i])) < 0)
			return NULL;
	}
	return TAKE_PTR(array);
}

static int parse_names(struct qos_fields_reader *in, const struct qos_field *field,
		       const json_t *json, char ***names, size_t *n_names)
{
	size_t n = json_array_size(json);

	if (json_is_null(json))
		return 0;
	if (!json_is_array(json))
		return qos_fields_wrong(in, field);
	*names = calloc(n + 1, sizeof(**names));
	if (!*names)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const char *name = json_string_value(json_array_get(json, i));

		if (!name)
			return qos_fields_wrong(in, field);
		(*names)[i] = strdup(name);
		if (!(*names)[i])
			return -ENOMEM;
		(*n_names)++;
	}
	return 0;
}

static json_t *print_users(const struct qos_field *field, const void *at)
{
	const struct qos_host *host = at;

	return print_names(host->users, host->n_users);
}

static int parse_users(struct qos_fields_reader *in, const struct qos_field *field,
		       const json_t *json, void *at)
{
	struct qos_host *host = at;

	return parse_names(in, field, json, &host->users, &host->n_users);
}

static json_t *print_groups(const struct qos_field *field, const void *at)
{
	const struct qos_host *host = at;

	return print_names(host->groups, host->n_groups);
}

static int parse_groups(struct qos_fields_reader *in, const struct qos_field *field,
			const json_t *json, void *at)
{
	struct qos_host *host = at;

	return parse_names(in, field, json, &host->groups, &host->n_groups);
}

static const struct qos_field_type type_foreign = {print_foreign, parse_foreign,
						   "a list of at most 64"};
static const struct qos_field_type type_interfaces = {print_interfaces, parse_interfaces, "a list"};
static const struct qos_field_type type_users = {print_users, parse_users,
						 "a list of names or null"};
static const struct qos_field_type type_groups = {print_groups, parse_groups,
						  "a list of names or null"};

#define HOST(member) offsetof(struct qos_host, member)

static const struct qos_field host_fields[] = {
	{"schema", &type_schema, 0, SCHEMA, SCHEMA},
	{"release", &qos_field_string, HOST(release)},
	{"online", &qos_field_cpus, HOST(online)},
	{"isolated", &qos_field_cpus, HOST(isolated)},
	{"hz", &qos_field_u32, HOST(hz), 0, 1000000},
	{"rt_runtime_us", &qos_field_i64, HOST(rt_runtime_us), -1, INT32_MAX},
	{"rt_period_us", &qos_field_u64, HOST(rt_period_us), 1, INT32_MAX},
	{"fair_runtime_ns", &qos_field_u64, HOST(fair_runtime_ns), 0, INT64_MAX},
	{"fair_period_ns", &qos_field_u64, HOST(fair_period_ns), 0, INT64_MAX},
	{"dl_period_min_ns", &qos_field_u64, HOST(dl_period_min_ns), 0, INT64_MAX},
	{"dl_period_max_ns", &qos_field_u64, HOST(dl_period_max_ns), 0, INT64_MAX},
	{"perf_paranoid", &qos_field_i64, HOST(perf_paranoid), INT32_MIN, INT32_MAX},
	{"sample_cost_ns", &qos_field_u64, HOST(sample_cost_ns), 0, QOS_SAMPLE_COST_MAX},
	{"features", &type_features, HOST(feature)},
	{"foreign", &type_foreign, 0},
	{"foreign_truncated", &qos_field_bool, HOST(foreign_truncated)},
	{"interfaces", &type_interfaces, 0},
	{"users", &type_users, 0},
	{"groups", &type_groups, 0},
};

int qos_host_print(const struct qos_host *host, char **ret)
{
	_cleanup_json_ json_t *object =
		qos_fields_print(host_fields, QOS_ARRAY_SIZE(host_fields), host);
	_cleanup_free_ char *text = NULL;
	struct qos_buf buf = {};

	if (!object)
		return -ENOMEM;
	text = json_dumps(object, JSON_INDENT(2));
	if (!text)
		return -ENOMEM;
	qos_buf_add(&buf, "%s\n", text);
	if (buf.error) {
		qos_buf_reset(&buf);
		return -ENOMEM;
	}
	*ret = buf.text;
	return 0;
}

static int syntax_error(struct qos_fields_reader *in, const json_error_t *error)
{
	if (json_error_code(error) == json_error_out_of_memory)
		return -ENOMEM;
	if (error->line > 0) {
		in->loc.line = (unsigned int)error->line;
		in->loc.col = error->column > 0 ? (unsigned int)error->column : 1;
	}
	qos_diag_error(in->diag, &in->loc, "not JSON: %s", error->text);
	qos_diag_hint(in->diag, HINT);
	return -EINVAL;
}

int qos_host_parse(const char *file, const char *text, size_t len, struct qos_diag *diag,
		   struct qos_host **ret)
{
	struct qos_fields_reader in = {.diag = diag, .loc = {.file = file}, .hint = HINT};
	_cleanup_host_ struct qos_host *host = NULL;
	_cleanup_json_ json_t *json = NULL;
	json_error_t error;
	int r;

	_Static_assert(QOS_ARRAY_SIZE(host_fields) <= QOS_FIELDS_MAX, "raise QOS_FIELDS_MAX");
	if (len > BYTES_MAX) {
		qos_diag_error(diag, &in.loc, "file too large: more than %d KiB", BYTES_MAX / 1024);
		qos_diag_hint(diag, "is it a dump of `qosctl doctor --dump-host`?");
		return -EINVAL;
	}
	json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		return syntax_error(&in, &error);
	r = qos_host_new(&host);
	if (r < 0)
		return r;
	r = qos_fields_parse(&in, host_fields, QOS_ARRAY_SIZE(host_fields), json, host);
	if (r < 0)
		return r;
	if (!json_object_get(json, "schema")) {
		qos_diag_error(diag, &in.loc, "schema: missing");
		qos_diag_hint(diag, HINT);
		return -EINVAL;
	}
	*ret = TAKE_PTR(host);
	return 0;
}
