/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * JSON objects by tables: one row says how a member of a struct is named, written, read and bounded,
 * so reader and writer cannot drift apart. Reading is strict: unknown keys, wrong types and values
 * outside the bounds are errors that name the path of the key. Keys that are not there leave their
 * member as it is.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/diag.h"

#define QOS_FIELDS_MAX	    24 /* rows of a table */
#define QOS_FIELDS_PATH_MAX 96

#define _cleanup_json_ QOS_CLEANUP(json_decrefp)

/* Where in the JSON text we are: "foreign[3].cpus". */
struct qos_fields_reader {
	struct qos_diag *diag;
	struct qos_loc loc;
	char path[QOS_FIELDS_PATH_MAX];
	const char *hint; /* what to do about a wrong value */
};

struct qos_field;

/* A kind of value. print returns a new reference, or NULL without memory; parse returns 0, -EINVAL
 * with a diagnostic, or -ENOMEM. `at` is the member. */
struct qos_field_type {
	json_t *(*print)(const struct qos_field *field, const void *at);
	int (*parse)(struct qos_fields_reader *in, const struct qos_field *field,
		     const json_t *json, void *at);
	const char *expects; /* "a number", for the diagnostic */
};

struct qos_field {
	const char *key;
	const struct qos_field_type *type;
	size_t offset; /* of the member in its struct */
	int64_t min;   /* of a number; a larger uint64_t is written as max */
	int64_t max;   /* of a number; the size of a char array */
};

extern const struct qos_field_type qos_field_u64, qos_field_i64, qos_field_u32, qos_field_i32,
	qos_field_bool, qos_field_string, qos_field_chars, qos_field_cpus;

json_t *qos_fields_print(const struct qos_field *fields, size_t n, const void *base);
int qos_fields_parse(struct qos_fields_reader *in, const struct qos_field *fields, size_t n,
		     const json_t *json, void *base);

/* The same for arrays of structs, `size` bytes apart. */
json_t *qos_fields_print_array(const struct qos_field *fields, size_t n_fields, const void *items,
			       size_t size, size_t n);
int qos_fields_parse_array(struct qos_fields_reader *in, const struct qos_field *fields,
			   size_t n_fields, const json_t *array, void *items, size_t size);

/* For types of one's own. The two errors return -EINVAL. path_add returns what path_cut takes. */
int qos_fields_wrong(struct qos_fields_reader *in, const struct qos_field *field);
int qos_fields_unknown(struct qos_fields_reader *in, const char *key, const char *const *known);
size_t qos_fields_path_add(struct qos_fields_reader *in, const char *key);
void qos_fields_path_cut(struct qos_fields_reader *in, size_t len);
int qos_fields_number(struct qos_fields_reader *in, const struct qos_field *field,
		      const json_t *json, int64_t *ret);

/* A JSON string; a text that is no UTF-8 has its bytes beyond ASCII replaced by '?'. */
json_t *qos_fields_text(const char *text);
