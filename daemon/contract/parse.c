/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract as a whole: the table of its top keys, and the two sections that are a list of named
 * streams or, for one stream, a map. What is inside a stream or the match expression is read by
 * parse_cpu.c, parse_net.c and parse_match.c.
 */
#include "contract/parse.h"

#include <errno.h>
#include <string.h>

#include "contract/parse_field.h"
#include "util/text.h"

#define DESCRIPTION_MAX 1024

static bool read_version(struct qos_reader *reader, const struct qos_parse_field *field,
			 const struct qos_node *node, void *out)
{
	uint64_t version;

	if (!qos_reader_scalar(reader, field, node))
		return false;
	if (qos_parse_count(node->text, UINT32_MAX, &version) == 0 &&
	    version == QOS_CONTRACT_VERSION)
		return true;
	qos_reader_error(reader, &node->loc, "version: '%.64s' is not a version of the format",
			 node->text);
	qos_diag_hint(reader->diag, "write `version: %d`", QOS_CONTRACT_VERSION);
	return false;
}

static bool read_contract_name(struct qos_reader *reader, const struct qos_parse_field *field,
			       const struct qos_node *node, void *out)
{
	struct qos_contract *contract = out;

	if (!qos_reader_scalar(reader, field, node))
		return false;
	contract->loc = node->loc;
	if (qos_text_is_contract_name(node->text))
		return qos_reader_dup(reader, node->text, &contract->name);
	qos_reader_error(reader, &node->loc, "contract: '%.64s' is not a contract name",
			 node->text);
	qos_diag_hint(reader->diag, "a small letter, then at most 31 small letters, digits and -");
	return false;
}

/* What differs between the two sections. Every stream struct begins with its name. */
struct section {
	const char *what;
	size_t size;
	void (*parse)(struct qos_reader *reader, const struct qos_node *node, void *out);
};

static char **name_at(void *streams, const struct section *section, size_t i)
{
	return (char **)((char *)streams + i * section->size);
}

static void check_twins(struct qos_reader *reader, const struct section *section,
			const struct qos_node *node, void *streams, size_t i)
{
	const char *name = *name_at(streams, section, i);

	for (size_t j = 0; j < i; j++) {
		const char *other = *name_at(streams, section, j);

		if (!name || !other || strcmp(name, other) != 0)
			continue;
		qos_reader_error(reader, &qos_node_get(node, "name")->loc,
				 "two %ss have the name '%s'", section->what, name);
		qos_diag_hint(reader->diag, "rename one of them");
		return;
	}
}

static void read_stream(struct qos_reader *reader, const struct section *section,
			const struct qos_node *node, void *stream)
{
	if (node->kind == QOS_NODE_MAP) {
		section->parse(reader, node, stream);
		return;
	}
	qos_reader_error(reader, &node->loc, "%s: expected a map", section->what);
	qos_diag_hint(reader->diag, "write a list of maps, each with a `name`");
}

/* The items of a list need a name; a map may have one, or is called main. */
static void read_name(struct qos_reader *reader, const struct section *section,
		      const struct qos_node *node, bool listed, char **name)
{
	if (node->kind != QOS_NODE_MAP || qos_node_get(node, "name"))
		return;
	if (!listed) {
		qos_reader_dup(reader, "main", name);
		return;
	}
	qos_reader_error(reader, &node->loc, "%s has no `name`", section->what);
	qos_diag_hint(reader->diag, "the streams of a list are named: add for example `name: a`");
}

static bool check_count(struct qos_reader *reader, const struct qos_parse_field *field,
			const struct qos_node *node)
{
	if (node->kind == QOS_NODE_MAP || (node->kind == QOS_NODE_LIST && node->n_children > 0 &&
					   node->n_children <= QOS_CONTRACT_STREAMS_MAX))
		return true;
	qos_reader_error(reader, &node->loc, "%s: expected a stream, or a list of 1 to %d streams",
			 field->key, QOS_CONTRACT_STREAMS_MAX);
	qos_diag_hint(reader->diag, "write a map for one stream, or a list of maps with a `name`");
	return false;
}

/* *ret_n is set first: a stream that was not read is all zero, and may be freed. */
static bool read_section(struct qos_reader *reader, const struct qos_parse_field *field,
			 const struct qos_node *node, const struct section *section, void **ret,
			 size_t *ret_n)
{
	bool listed = node->kind == QOS_NODE_LIST;
	size_t n = listed ? node->n_children : 1;

	if (!check_count(reader, field, node))
		return false;
	*ret = calloc(n, section->size);
	if (!*ret) {
		reader->out_of_memory = true;
		return false;
	}
	*ret_n = n;
	for (size_t i = 0; i < n; i++) {
		const struct qos_node *item = listed ? node->children[i] : node;

		read_stream(reader, section, item, (char *)*ret + i * section->size);
		read_name(reader, section, item, listed, name_at(*ret, section, i));
		check_twins(reader, section, item, *ret, i);
	}
	return true;
}

/* A stream without `threads` takes every thread, and what comes behind it none. */
static void check_shadowed(struct qos_reader *reader, const struct qos_contract *contract,
			   const struct qos_node *node)
{
	for (size_t i = 0; i + 1 < contract->n_cpu; i++) {
		if (contract->cpu[i].n_threads || node->children[i]->kind != QOS_NODE_MAP ||
		    qos_node_get(node->children[i], "threads"))
			continue;
		if (qos_diag_warning(reader->diag, &node->children[i + 1]->loc,
				     "no thread is left for this stream: the one before it has no "
				     "`threads` and takes all") < 0)
			reader->failed = true;
		qos_diag_hint(reader->diag, "give the first `threads`, or move it to the end");
		return;
	}
}

static bool read_cpu(struct qos_reader *reader, const struct qos_parse_field *field,
		     const struct qos_node *node, void *out)
{
	static const struct section section = {"cpu stream", sizeof(struct qos_cpu_stream),
					       qos_parse_cpu_stream};
	struct qos_contract *contract = out;
	void *streams = NULL;
	bool good = read_section(reader, field, node, &section, &streams, &contract->n_cpu);

	contract->cpu = streams;
	if (!good)
		return false;
	for (size_t i = 0; i < contract->n_cpu; i++)
		contract->cpu[i].loc =
			node->kind == QOS_NODE_LIST ? node->children[i]->loc : node->loc;
	check_shadowed(reader, contract, node);
	return true;
}

static bool read_network(struct qos_reader *reader, const struct qos_parse_field *field,
			 const struct qos_node *node, void *out)
{
	static const struct section section = {"network stream", sizeof(struct qos_net_stream),
					       qos_parse_net_stream};
	struct qos_contract *contract = out;
	void *streams = NULL;
	bool good = read_section(reader, field, node, &section, &streams, &contract->n_net);

	contract->net = streams;
	if (!good)
		return false;
	for (size_t i = 0; i < contract->n_net; i++)
		contract->net[i].loc =
			node->kind == QOS_NODE_LIST ? node->children[i]->loc : node->loc;
	return true;
}

static const struct qos_parse_field adapt_fields[] = {
	{"placement", qos_read_word, offsetof(struct qos_contract, placement), .example = "kernel",
	 .words = qos_placement_names},
	{"rules", qos_parse_rules, .example = "[]"},
	{},
};

static bool read_adapt(struct qos_reader *reader, const struct qos_parse_field *field,
		       const struct qos_node *node, void *out)
{
	struct qos_contract *contract = out;

	if (!qos_reader_map(reader, field, node))
		return false;
	contract->has_adapt = true;
	qos_parse_fields(reader, node, adapt_fields, "adapt", contract);
	return true;
}

#define AT(member) offsetof(struct qos_contract, member)

const struct qos_parse_field qos_parse_contract_fields[] = {
	{"version", read_version, .needed = true, .example = "1"},
	{"contract", read_contract_name, .needed = true, .example = "camera"},
	{"description", qos_read_prose, AT(description), .example = "front camera",
	 .max = DESCRIPTION_MAX},
	{"importance", qos_read_count, AT(importance), .example = "50", .max = 100},
	{"match", qos_parse_match, AT(match), true, "{unit: camera.service}"},
	{"cpu", read_cpu, .example = "{period: 10ms, runtime: 2ms, window: 1/10}"},
	{"network", read_network,
	 .example = "{interface: eth0, rate: 12mbit, packet: 1400B, window: 2/100}"},
	{"adapt", read_adapt, .example = "{placement: kernel}"},
	{"accept", qos_read_word, AT(accept), .example = "simulated", .words = qos_guarantee_names},
	{"on-lease-expiry", qos_read_word, AT(on_lease_expiry), .example = "hold",
	 .words = qos_lease_names},
	{"on-drift", qos_read_word, AT(on_drift), .example = "yield", .words = qos_drift_names},
	{},
};

/* A newer format may mean anything by its keys: one sentence is better than a page of guesses. */
static bool is_newer(struct qos_reader *reader, const struct qos_node *root)
{
	const struct qos_node *node = qos_node_get(root, "version");
	uint64_t version;

	if (!node || node->kind != QOS_NODE_SCALAR ||
	    qos_parse_count(node->text, UINT32_MAX, &version) < 0 ||
	    version <= QOS_CONTRACT_VERSION)
		return false;
	qos_reader_error(reader, &node->loc, "version %s is newer than this program knows, %d",
			 node->text, QOS_CONTRACT_VERSION);
	qos_diag_hint(reader->diag, "upgrade qosd, or write `version: %d` and only what it knows",
		      QOS_CONTRACT_VERSION);
	return true;
}

static void read_root(struct qos_reader *reader, const struct qos_node *root,
		      struct qos_contract *contract)
{
	contract->importance = QOS_CONTRACT_IMPORTANCE;
	contract->accept = QOS_SIMULATED;
	contract->loc = root->loc;
	if (is_newer(reader, root))
		return;
	qos_parse_fields(reader, root, qos_parse_contract_fields, "contract", contract);
	if (qos_node_get(root, "cpu") || qos_node_get(root, "network"))
		return;
	qos_reader_error(reader, &root->loc, "contract has neither `cpu` nor `network`");
	qos_diag_hint(reader->diag, "add for example "
				    "`cpu: {period: 10ms, runtime: 2ms, window: 1/10}`");
}

int qos_contract_parse(const struct qos_doc *doc, struct qos_diag *diag, struct qos_contract **ret)
{
	_cleanup_contract_ struct qos_contract *contract = calloc(1, sizeof(*contract));
	struct qos_reader reader = {.diag = diag};
	int r;

	if (!contract)
		return -ENOMEM;
	read_root(&reader, doc->root, contract);
	if (reader.out_of_memory)
		return -ENOMEM;
	if (reader.failed)
		return -EINVAL;
	r = qos_contract_own_files(contract, doc->files, doc->n_files);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(contract);
	return 0;
}

/* Every text is read before any mistake counts, so that one run shows those of all. */
int qos_docs_read(const struct qos_doc_reader *reader, const struct qos_text *texts, size_t n_texts,
		  struct qos_diag *diag, struct qos_doc **ret)
{
	_cleanup_doc_ struct qos_doc *base = NULL;
	bool invalid = false;
	int r;

	for (size_t i = 0; i < n_texts; i++) {
		struct qos_doc *doc = NULL;

		r = reader->read(reader->data, &texts[i], diag, &doc);
		if (r == -EINVAL)
			invalid = true;
		else if (r == 0 && base)
			r = qos_doc_overlay(base, doc);
		else if (r == 0)
			base = doc;
		if (r < 0 && r != -EINVAL)
			return r;
	}
	if (invalid || !base)
		return -EINVAL;
	*ret = TAKE_PTR(base);
	return 0;
}
