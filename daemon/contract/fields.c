/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * JSON objects by tables. jansson reads the text; here its values are put where the rows say.
 * Weakness: jansson knows places only of syntax errors, so the others name the path of the key.
 */
#include "contract/fields.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cpus.h"
#include "util/text.h"

int qos_fields_wrong(struct qos_fields_reader *in, const struct qos_field *field)
{
	qos_diag_error(in->diag, &in->loc, "%s: not %s", in->path, field->type->expects);
	qos_diag_hint(in->diag, "%s", in->hint);
	return -EINVAL;
}

size_t qos_fields_path_add(struct qos_fields_reader *in, const char *key)
{
	size_t len = strlen(in->path);

	snprintf(in->path + len, sizeof(in->path) - len, "%s%s", len ? "." : "", key);
	return len;
}

static size_t path_add_index(struct qos_fields_reader *in, size_t index)
{
	size_t len = strlen(in->path);

	snprintf(in->path + len, sizeof(in->path) - len, "[%zu]", index);
	return len;
}

void qos_fields_path_cut(struct qos_fields_reader *in, size_t len)
{
	in->path[len] = '\0';
}

static json_t *print_u64(const struct qos_field *field, const void *at)
{
	uint64_t value = *(const uint64_t *)at;

	return json_integer(value > (uint64_t)field->max ? field->max : (json_int_t)value);
}

static json_t *print_i64(const struct qos_field *field, const void *at)
{
	return json_integer(*(const int64_t *)at);
}

static json_t *print_u32(const struct qos_field *field, const void *at)
{
	return json_integer(*(const uint32_t *)at);
}

static json_t *print_i32(const struct qos_field *field, const void *at)
{
	return json_integer(*(const int32_t *)at);
}

int qos_fields_number(struct qos_fields_reader *in, const struct qos_field *field,
		      const json_t *json, int64_t *ret)
{
	int64_t value = json_integer_value(json);

	if (!json_is_integer(json) || value < field->min || value > field->max)
		return qos_fields_wrong(in, field);
	*ret = value;
	return 0;
}

static int parse_64(struct qos_fields_reader *in, const struct qos_field *field, const json_t *json,
		    void *at)
{
	return qos_fields_number(in, field, json, at);
}

/* Both signs: the field's bounds keep the value inside. */
static int parse_32(struct qos_fields_reader *in, const struct qos_field *field, const json_t *json,
		    void *at)
{
	int64_t value;
	int r;

	r = qos_fields_number(in, field, json, &value);
	if (r == 0)
		*(uint32_t *)at = (uint32_t)value;
	return r;
}

static json_t *print_bool(const struct qos_field *field, const void *at)
{
	return json_boolean(*(const bool *)at);
}

static int parse_bool(struct qos_fields_reader *in, const struct qos_field *field,
		      const json_t *json, void *at)
{
	if (!json_is_boolean(json))
		return qos_fields_wrong(in, field);
	*(bool *)at = json_is_true(json);
	return 0;
}

/* A comm or a file name may hold any byte; JSON takes only UTF-8. */
json_t *qos_fields_text(const char *text)
{
	_cleanup_free_ char *copy = NULL;
	json_t *json = json_string(text);

	if (json)
		return json;
	copy = strdup(text);
	if (!copy)
		return NULL;
	for (char *p = copy; *p; p++) {
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	}
	return json_string(copy);
}

static json_t *print_string(const struct qos_field *field, const void *at)
{
	const char *text = *(char *const *)at;

	return text ? qos_fields_text(text) : json_null();
}

static int parse_string(struct qos_fields_reader *in, const struct qos_field *field,
			const json_t *json, void *at)
{
	char **text = at;

	if (json_is_null(json))
		return 0;
	if (!json_is_string(json))
		return qos_fields_wrong(in, field);
	*text = strdup(json_string_value(json));
	return *text ? 0 : -ENOMEM;
}

static json_t *print_chars(const struct qos_field *field, const void *at)
{
	return qos_fields_text(at);
}

static int parse_chars(struct qos_fields_reader *in, const struct qos_field *field,
		       const json_t *json, void *at)
{
	if (!json_is_string(json) || json_string_length(json) >= (size_t)field->max)
		return qos_fields_wrong(in, field);
	memcpy(at, json_string_value(json), json_string_length(json) + 1);
	return 0;
}

static json_t *print_cpus(const struct qos_field *field, const void *at)
{
	char buf[QOS_CPUS_TEXT_MAX];

	return json_string(qos_cpus_print(buf, sizeof(buf), at));
}

static int parse_cpus(struct qos_fields_reader *in, const struct qos_field *field,
		      const json_t *json, void *at)
{
	if (!json_is_string(json) || qos_cpus_parse(json_string_value(json), at) < 0)
		return qos_fields_wrong(in, field);
	return 0;
}

const struct qos_field_type qos_field_u64 = {print_u64, parse_64, "a number in its bounds"};
const struct qos_field_type qos_field_i64 = {print_i64, parse_64, "a number in its bounds"};
const struct qos_field_type qos_field_u32 = {print_u32, parse_32, "a number in its bounds"};
const struct qos_field_type qos_field_i32 = {print_i32, parse_32, "a number in its bounds"};
const struct qos_field_type qos_field_bool = {print_bool, parse_bool, "true or false"};
const struct qos_field_type qos_field_string = {print_string, parse_string, "a string or null"};
const struct qos_field_type qos_field_chars = {print_chars, parse_chars, "a string of that length"};
const struct qos_field_type qos_field_cpus = {print_cpus, parse_cpus,
					      "a list of CPUs such as \"0-3,8\""};

int qos_fields_unknown(struct qos_fields_reader *in, const char *key, const char *const *known)
{
	const char *nearest = qos_text_nearest(key, known);
	size_t len = qos_fields_path_add(in, key);

	qos_diag_error(in->diag, &in->loc, "%s: unknown key", in->path);
	if (nearest)
		qos_diag_hint(in->diag, "did you mean `%s`?", nearest);
	else
		qos_diag_hint(in->diag, "%s", in->hint);
	qos_fields_path_cut(in, len);
	return -EINVAL;
}

json_t *qos_fields_print(const struct qos_field *fields, size_t n, const void *base)
{
	_cleanup_json_ json_t *object = json_object();

	for (size_t i = 0; object && i < n; i++) {
		const struct qos_field *field = &fields[i];
		json_t *value = field->type->print(field, (const char *)base + field->offset);

		if (json_object_set_new(object, field->key, value) < 0)
			return NULL;
	}
	return TAKE_PTR(object);
}

static const struct qos_field *find_field(const struct qos_field *fields, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(fields[i].key, key) == 0)
			return &fields[i];
	}
	return NULL;
}

static int parse_field(struct qos_fields_reader *in, const struct qos_field *fields, size_t n,
		       const char *key, const json_t *value, void *base)
{
	const struct qos_field *field = find_field(fields, n, key);
	const char *known[QOS_FIELDS_MAX + 1] = {};
	size_t len;
	int r;

	if (!field) {
		for (size_t i = 0; i < n; i++)
			known[i] = fields[i].key;
		return qos_fields_unknown(in, key, known);
	}
	len = qos_fields_path_add(in, key);
	r = field->type->parse(in, field, value, (char *)base + field->offset);
	qos_fields_path_cut(in, len);
	return r;
}

int qos_fields_parse(struct qos_fields_reader *in, const struct qos_field *fields, size_t n,
		     const json_t *json, void *base)
{
	const char *key;
	json_t *value;
	int result = 0, r;

	if (!json_is_object(json)) {
		qos_diag_error(in->diag, &in->loc, "%s: not a map",
			       in->path[0] ? in->path : "the root");
		qos_diag_hint(in->diag, "%s", in->hint);
		return -EINVAL;
	}
	json_object_foreach((json_t *)json, key, value) {
		r = parse_field(in, fields, n, key, value, base);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			result = r;
	}
	return result;
}

json_t *qos_fields_print_array(const struct qos_field *fields, size_t n_fields, const void *items,
			       size_t size, size_t n)
{
	_cleanup_json_ json_t *array = json_array();

	for (size_t i = 0; array && i < n; i++) {
		const char *item = (const char *)items + i * size;

		if (json_array_append_new(array, qos_fields_print(fields, n_fields, item)) < 0)
			return NULL;
	}
	return TAKE_PTR(array);
}

int qos_fields_parse_array(struct qos_fields_reader *in, const struct qos_field *fields,
			   size_t n_fields, const json_t *array, void *items, size_t size)
{
	int result = 0, r;

	for (size_t i = 0; i < json_array_size(array); i++) {
		size_t len = path_add_index(in, i);
		char *item = (char *)items + i * size;

		r = qos_fields_parse(in, fields, n_fields, json_array_get(array, i), item);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			result = r;
		qos_fields_path_cut(in, len);
	}
	return result;
}
