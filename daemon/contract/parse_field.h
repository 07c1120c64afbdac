/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the contract parser: a map of the document is read by a table of its keys. A row says
 * which function reads the value, where it goes, its bounds, and an example that ends up in hints.
 */
#pragma once

#include "contract/contract.h"
#include "contract/doc.h"

/* One run over one document. `failed` and `out_of_memory` stick. */
struct qos_reader {
	struct qos_diag *diag;
	bool failed;
	bool out_of_memory;
	size_t n_terms; /* of the match expression */
};

/* Records an error and remembers it; the next qos_diag_hint belongs to it. Returns false. */
bool qos_reader_error(struct qos_reader *reader, const struct qos_loc *loc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A kind of number with a unit. */
struct qos_quantity {
	const char *what; /* "a duration" */
	const char *units;
	int (*parse)(const char *text, uint64_t *ret);
	const char *(*print)(char *buf, size_t size, uint64_t value);
};

extern const struct qos_quantity qos_quantity_duration;
extern const struct qos_quantity qos_quantity_rate;
extern const struct qos_quantity qos_quantity_bytes;
extern const struct qos_quantity qos_quantity_count;

struct qos_parse_field;

/* Writes the value to `out` and returns true, or records why not and returns false. */
typedef bool qos_read_fn(struct qos_reader *reader, const struct qos_parse_field *field,
			 const struct qos_node *node, void *out);

struct qos_parse_field {
	const char *key; /* NULL ends a table */
	qos_read_fn *read;
	size_t offset; /* of `out` in the struct that the map fills */
	bool needed;
	const char *example; /* the value only, as in the file */
	uint64_t min;	     /* quantities: bounds of the value; texts: max is in bytes */
	uint64_t max;
	const char *const *words;	     /* qos_read_word */
	const struct qos_quantity *quantity; /* qos_read_range */
};

#define QOS_PARSE_FIELDS_MAX 32

/* Reads all keys of `map` into `out`. `what` names the map in messages ("a cpu stream"). Returns
 * a bit for each row of the table that was there and valid: bit i for fields[i]. */
uint32_t qos_parse_fields(struct qos_reader *reader, const struct qos_node *map,
			  const struct qos_parse_field *fields, const char *what, void *out);

/* Is the entry what a comma cut off a value in a { } map, `1ms)` without a value? Says so then. */
bool qos_reader_cut_off(struct qos_reader *reader, const struct qos_node *node);

/* Is it the key of another section? Says so then: to have it spelt otherwise alone would lead astray. nearest: the key of this
 * one that may have been meant, or NULL. */
bool qos_reader_misplaced(struct qos_reader *reader, const struct qos_node *node, const char *what,
			  const char *nearest);

/* Adds a hint: "did you mean" the nearest of `names`, and all of them after `intro`. */
void qos_reader_suggest(struct qos_reader *reader, const char *word, const char *const *names,
			const char *intro);

/* Checks the kind; says what was expected. A scalar must not be empty. */
bool qos_reader_scalar(struct qos_reader *reader, const struct qos_parse_field *field,
		       const struct qos_node *node);
bool qos_reader_map(struct qos_reader *reader, const struct qos_parse_field *field,
		    const struct qos_node *node);

/* Hint for the newest error: "write for example `key: example`". */
void qos_reader_hint_example(struct qos_reader *reader, const struct qos_parse_field *field);

/* A scalar of at most `max` bytes; of one line, without tabs. */
bool qos_reader_text(struct qos_reader *reader, const struct qos_parse_field *field,
		     const struct qos_node *node, size_t max);
bool qos_reader_line(struct qos_reader *reader, const struct qos_parse_field *field,
		     const struct qos_node *node, size_t max);

/* strdup into *slot; running out of memory is remembered in the reader. */
bool qos_reader_dup(struct qos_reader *reader, const char *text, char **slot);

/* Values for `read`; behind each what `out` points to. */
qos_read_fn qos_read_duration, qos_read_rate, qos_read_bytes; /* uint64_t */
qos_read_fn qos_read_count;				      /* uint32_t */
qos_read_fn qos_read_period;				      /* struct qos_period */
qos_read_fn qos_read_window;				      /* struct qos_window */
qos_read_fn qos_read_range;				      /* struct qos_range */
qos_read_fn qos_read_word;				      /* an enum */
qos_read_fn qos_read_prose;				      /* char *; line breaks are fine */
qos_read_fn qos_read_path;				      /* char *; absolute */
qos_read_fn qos_read_stream_name;			      /* char * */
qos_read_fn qos_parse_match;				      /* struct qos_match * */
qos_read_fn qos_parse_rules;				      /* struct qos_contract */

/* Can a pattern fit a thread's name, which the kernel cuts after QOS_COMM_MAX bytes? */
#define QOS_COMM_MAX 15
bool qos_parse_comm_fits(const char *pattern);

/* The keys of the contract itself and of a stream of each section. */
extern const struct qos_parse_field qos_parse_contract_fields[];
extern const struct qos_parse_field qos_parse_cpu_fields[];
extern const struct qos_parse_field qos_parse_net_fields[];

/* The sections. `node` is a map; `out` is a zeroed struct that its owner frees. */
void qos_parse_cpu_stream(struct qos_reader *reader, const struct qos_node *node, void *out);
void qos_parse_net_stream(struct qos_reader *reader, const struct qos_node *node, void *out);

/* Largest values, so that sums and products of admission stay inside 64 bits. */
#define QOS_PERIOD_MAX_NS 3600000000000ULL  /* 1 h */
#define QOS_RATE_MAX_BPS  10000000000000ULL /* 10 Tbit/s */
#define QOS_PACKET_MAX	  1048576ULL
#define QOS_PATH_MAX	  4095
