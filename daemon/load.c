/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the search path and turns every file into a contract or into diagnostics. A bad file is a
 * result like any other: what to do about it (the last good version stays) is the supervisor's.
 * What says the same as the contract in force is dropped at once and not at the end: a second
 * generation beside the first would leave the heap as large as both, for memory is locked.
 */
#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "contract/check.h"
#include "contract/parse.h"
#include "state/store.h"

static int refuse_unsafe(const struct qos_store_entry *entry, struct qos_diag *diag)
{
	struct qos_loc loc = {.file = entry->texts[0].path};

	qos_diag_error(diag, &loc, "the file can be changed by others than root");
	qos_diag_hint(diag, "a contract gives real-time privilege; chown root and chmod go-w the "
			    "file, its overlays and its directory");
	return -EINVAL;
}

/* The texts as they are become documents elsewhere (front.h); what follows is done with what came back. */
static int parse(const struct qos_front *front, const struct qos_text *texts, size_t n,
		 struct qos_diag *diag, struct qos_contract **ret)
{
	const struct qos_doc_reader reader = {.read = front->doc, .data = front->data};
	_cleanup_doc_ struct qos_doc *doc = NULL;
	int r = qos_docs_read(&reader, texts, n, diag, &doc);

	return r < 0 ? r : qos_contract_parse(doc, diag, ret);
}

static bool same_place(const struct qos_loc *a, const struct qos_loc *b)
{
	return a->line == b->line &&
	       (a->file && b->file ? !strcmp(a->file, b->file) : a->file == b->file);
}

/* Words on a contract that goes on must still find their places. */
static bool same_places(const struct qos_contract *a, const struct qos_contract *b)
{
	bool same = same_place(&a->loc, &b->loc);

	for (size_t i = 0; i < a->n_cpu; i++)
		same &= same_place(&a->cpu[i].loc, &b->cpu[i].loc);
	for (size_t i = 0; i < a->n_net; i++)
		same &= same_place(&a->net[i].loc, &b->net[i].loc);
	return same;
}

static struct qos_contract *known_of(const struct qos_known *known, const char *file,
				     uint64_t *ret_fingerprint)
{
	*ret_fingerprint = 0;
	return known ? known->of(known->data, file, ret_fingerprint) : NULL;
}

static void keep_known(struct qos_loaded_file *file, const struct qos_known *known)
{
	uint64_t fingerprint;
	struct qos_contract *old = known_of(known, file->file, &fingerprint);

	if (!old || file->goes_on || !file->contract || !qos_contract_equal(old, file->contract) ||
	    !same_places(old, file->contract))
		return;
	qos_contract_free(file->contract);
	file->contract = old;
	file->goes_on = true;
}

static void drop_contract(struct qos_loaded_file *file)
{
	if (!file->goes_on)
		qos_contract_free(file->contract);
	file->contract = NULL;
	file->goes_on = false;
}

/* FNV-1a. Who can make two texts of one fingerprint can also write what he wants into the file. */
static uint64_t hashed(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *c = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ c[i]) * 1099511628211ULL;
	return hash;
}

static uint64_t fingerprint_of(const struct qos_text *texts, size_t n)
{
	uint64_t hash = 14695981039346656037ULL;

	for (size_t i = 0; i < n; i++) {
		hash = hashed(hash, texts[i].file, strlen(texts[i].file) + 1);
		hash = hashed(hash, &texts[i].len, sizeof(texts[i].len));
		hash = hashed(hash, texts[i].bytes, texts[i].len);
	}
	return hash ?: 1;
}

/* Texts to a contract that this machine can serve. */
static int read_texts(const struct qos_front *front, const struct qos_text *texts, size_t n,
		      const struct qos_host *host, struct qos_loaded_file *file)
{
	_cleanup_contract_ struct qos_contract *contract = NULL;
	size_t said;
	int r;

	r = parse(front, texts, n, &file->diag, &contract);
	if (r < 0)
		return r;
	said = file->diag.n_entries;
	r = qos_contract_check(contract, host, &file->diag);
	if (r == 0 && contract->n_rules) /* whoever loads them has them compiled anew */
		r = front->rules(front->data, texts, n, &file->diag);
	if (r < 0)
		return r;
	file->fingerprint = said ? 0 : fingerprint_of(texts, n);
	file->contract = TAKE_PTR(contract);
	return 0;
}

/* true: the texts are those that the known contract was made of. */
static bool take_known(const struct qos_known *known, const struct qos_text *texts, size_t n,
		       struct qos_loaded_file *file)
{
	uint64_t fingerprint;
	struct qos_contract *old = known_of(known, file->file, &fingerprint);

	if (!old || !fingerprint || fingerprint != fingerprint_of(texts, n))
		return false;
	file->contract = old;
	file->fingerprint = fingerprint;
	file->goes_on = true;
	return true;
}

static int load_entry(const struct qos_front *front, const struct qos_store_entry *entry,
		      const struct qos_known *known, const struct qos_host *host, bool trust,
		      struct qos_loaded_file *file)
{
	_cleanup_free_ struct qos_text *texts = NULL;
	int r = 0;

	file->file = strdup(entry->name);
	file->path = strdup(entry->n_texts ? entry->texts[0].path : entry->name);
	if (!file->file || !file->path)
		return -ENOMEM;
	if (entry->unreadable || !entry->n_texts)
		return 0;
	if (trust && entry->unsafe) {
		refuse_unsafe(entry, &file->diag);
		return 0;
	}
	texts = qos_store_texts(entry);
	if (!texts)
		return -ENOMEM;
	if (!take_known(known, texts, entry->n_texts, file))
		r = read_texts(front, texts, entry->n_texts, host, file);
	else if (qos_contract_check(file->contract, host, &file->diag) < 0)
		drop_contract(file);
	return r == -ENOMEM ? r : 0;
}

/* Two files must not claim one name: the later file loses, and says so. */
static void refuse_twins(struct qos_loaded *loaded)
{
	for (size_t i = 1; i < loaded->n_files; i++) {
		struct qos_loaded_file *file = &loaded->files[i];

		for (size_t k = 0; file->contract && k < i; k++) {
			struct qos_contract *pair[2] = {loaded->files[k].contract, file->contract};

			if (!pair[0] || strcmp(pair[0]->name, pair[1]->name))
				continue;
			qos_contract_check_names(pair, 2, &file->diag);
			drop_contract(file);
		}
	}
}

/* The store's complaints belong to the files they name, so that `show` finds them there. */
static void hand_out(struct qos_loaded *loaded, struct qos_diag *diag)
{
	for (size_t i = 0; i < diag->n_entries; i++) {
		const struct qos_diag_entry *entry = &diag->entries[i];
		struct qos_diag *to = &loaded->diag;
		struct qos_loc loc = {.file = entry->file, .line = entry->line, .col = entry->col};

		for (size_t k = 0; k < loaded->n_files; k++) {
			if (entry->file && !strcmp(entry->file, loaded->files[k].path))
				to = &loaded->files[k].diag;
		}
		qos_diag_add(to, entry->severity, &loc, "%s", entry->text);
		if (entry->hint)
			qos_diag_hint(to, "%s", entry->hint);
	}
	qos_diag_reset(diag);
}

/* What is not seen must not pass for gone: without the whole list there is no result. */
static int read_store(const char *const *paths, const struct qos_store_extras *extras,
		      struct qos_diag *said, struct qos_diag *diag, struct qos_store **ret)
{
	int r;

	r = qos_store_read_with(paths, extras, said, ret);
	if (r < 0 && !said->n_errors)
		qos_diag_error(said, NULL, "the contract files cannot be listed: %s", strerror(-r));
	if (r < 0)
		qos_diag_move(diag, said);
	return r;
}

int qos_load(const struct qos_front *front, const char *const *paths,
	     const struct qos_store_extras *extras, const struct qos_known *known,
	     const struct qos_host *host, bool trust, struct qos_diag *diag,
	     struct qos_loaded **ret)
{
	_cleanup_loaded_ struct qos_loaded *loaded = calloc(1, sizeof(*loaded));
	_cleanup_store_ struct qos_store *store = NULL;
	struct qos_diag said = QOS_DIAG_INIT;
	int r;

	if (!loaded)
		return -ENOMEM;
	r = read_store(paths, extras, &said, diag, &store);
	if (r < 0)
		return r;
	loaded->files = calloc(store->n_entries + 1, sizeof(*loaded->files));
	if (!loaded->files)
		return -ENOMEM;
	front->rest(front->data); /* whoever reads these has read nothing before */
	for (size_t i = 0; i < store->n_entries; i++) {
		r = load_entry(front, &store->entries[i], known, host, trust,
			       &loaded->files[loaded->n_files++]);
		if (r < 0) {
			qos_diag_reset(&said);
			return r;
		}
		keep_known(&loaded->files[i], known);
	}
	hand_out(loaded, &said);
	refuse_twins(loaded);
	*ret = TAKE_PTR(loaded);
	return 0;
}

void qos_loaded_free(struct qos_loaded *loaded)
{
	if (!loaded)
		return;
	for (size_t i = 0; i < loaded->n_files; i++) {
		free(loaded->files[i].file);
		free(loaded->files[i].path);
		drop_contract(&loaded->files[i]);
		qos_diag_reset(&loaded->files[i].diag);
	}
	free(loaded->files);
	qos_diag_reset(&loaded->diag);
	free(loaded);
}
