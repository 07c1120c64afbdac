/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * By a hash of kind and name. Of two names with one hash only the first is remembered, and where memory is
 * short none is: they are looked up each time.
 */
#include "kern/lookup.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/table.h"

struct answer {
	enum qos_match_key key;
	bool found;
	struct qos_named named;
	char name[];
};

struct qos_lookup {
	struct qos_resolver resolver; /* its data: this */
	struct qos_table people;      /* of struct answer, by hash_of() */
	struct qos_table paths;	      /* likewise, between begin and end */
	bool looking;
};

/* --- the host --- */

static bool find_file(const char *path, struct qos_named *ret)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	*ret = (struct qos_named){.dev = st.st_dev, .id = st.st_ino};
	return true;
}

/* The variants without _r: they grow their buffer for groups of any size, and qosd has one thread that asks. */
static bool find_user(const char *name, struct qos_named *ret)
{
	const struct passwd *entry = getpwnam(name);

	if (entry)
		*ret = (struct qos_named){.id = entry->pw_uid};
	return entry;
}

static bool find_group(const char *name, struct qos_named *ret)
{
	const struct group *entry = getgrnam(name);

	if (entry)
		*ret = (struct qos_named){.id = entry->gr_gid};
	return entry;
}

static bool find(enum qos_match_key key, const char *name, struct qos_named *ret)
{
	switch (key) {
	case QOS_MATCH_EXE:
		return find_file(name, ret);
	case QOS_MATCH_USER:
		return find_user(name, ret);
	case QOS_MATCH_GROUP:
		return find_group(name, ret);
	default:
		return false;
	}
}

/* --- what is remembered --- */

/* FNV-1a. */
static uint32_t hash_of(enum qos_match_key key, const char *name)
{
	uint32_t hash = (2166136261U ^ key) * 16777619U;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619U;
	return hash;
}

static void forget(struct qos_table *answers)
{
	size_t pos = 0;
	void *answer;

	while ((answer = qos_table_next(answers, &pos)))
		free(answer);
	qos_table_reset(answers);
}

static const struct answer *remember(struct qos_table *answers, uint32_t hash,
				     enum qos_match_key key, const char *name)
{
	_cleanup_free_ struct answer *answer = calloc(1, sizeof(*answer) + strlen(name) + 1);

	if (!answer)
		return NULL;
	strcpy(answer->name, name);
	answer->key = key;
	answer->found = find(key, name, &answer->named);
	if (qos_table_set(answers, hash, answer) < 0)
		return NULL;
	return TAKE_PTR(answer);
}

static bool resolve(void *data, enum qos_match_key key, const char *name, struct qos_named *ret)
{
	struct qos_lookup *lookup = data;
	bool is_path = key == QOS_MATCH_EXE;
	struct qos_table *answers = is_path ? &lookup->paths : &lookup->people;
	uint32_t hash = hash_of(key, name);
	const struct answer *answer = qos_table_get(answers, hash);

	if (!answer && (lookup->looking || !is_path))
		answer = remember(answers, hash, key, name);
	if (!answer || answer->key != key || strcmp(answer->name, name))
		return find(key, name, ret);
	*ret = answer->named;
	return answer->found;
}

/* --- its life --- */

int qos_lookup_new(struct qos_lookup **ret)
{
	struct qos_lookup *lookup = calloc(1, sizeof(*lookup));

	if (!lookup)
		return -ENOMEM;
	lookup->resolver = (struct qos_resolver){.resolve = resolve, .data = lookup};
	*ret = lookup;
	return 0;
}

void qos_lookup_free(struct qos_lookup *lookup)
{
	if (!lookup)
		return;
	forget(&lookup->people);
	forget(&lookup->paths);
	free(lookup);
}

const struct qos_resolver *qos_lookup_resolver(const struct qos_lookup *lookup)
{
	return lookup ? &lookup->resolver : NULL;
}

void qos_lookup_begin(struct qos_lookup *lookup)
{
	forget(&lookup->people);
	forget(&lookup->paths);
	lookup->looking = true;
}

bool qos_lookup_end(struct qos_lookup *lookup)
{
	const struct answer *answer;
	bool holds = true;
	size_t pos = 0;

	while (holds && (answer = qos_table_next(&lookup->paths, &pos))) {
		struct qos_named now = {};
		bool found = find(answer->key, answer->name, &now);

		holds = found == answer->found && now.dev == answer->named.dev &&
			now.id == answer->named.id;
	}
	forget(&lookup->paths);
	lookup->looking = false;
	return holds;
}
