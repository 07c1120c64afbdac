/* SPDX-License-Identifier: GPL-2.0-only */
/* A few lines of history for those who ask what changed since yesterday; the journal has the rest. */
#include "generation.h"

#include <string.h>

#include "util/clock.h"
#include "util/log.h"

/* What its file says that the last generation's did not; NULL: the same. */
static const char *change_of(const struct qos_draft *draft)
{
	const struct qos_live *old = draft->old;
	const struct qos_contract *new = draft->file->contract;

	if (!old)
		return "add";
	if (draft->valid != old->file_valid)
		return "change";
	return new && old->contract && !qos_contract_equal(new, old->contract) ? "change" : NULL;
}

static void add_file(json_t *list, const char *path, const char *change)
{
	if (change && json_array_size(list) < QOS_GENERATION_FILES_MAX)
		json_array_append_new(list, json_pack("{ss ss}", "file", path, "change", change));
}

static json_t *files_of(const struct qos_supervisor *supervisor, const struct qos_plan *plan)
{
	json_t *list = json_array();

	for (size_t i = 0; i < supervisor->n_lives; i++) {
		if (qos_plan_lacks(plan, supervisor->lives[i]))
			add_file(list, supervisor->lives[i]->path, "remove");
	}
	for (size_t i = 0; i < plan->n; i++)
		add_file(list, plan->drafts[i].file->path, change_of(&plan->drafts[i]));
	return list;
}

void qos_generation_note(struct qos_supervisor *supervisor, const struct qos_plan *plan)
{
	const struct qos_asker *asker = supervisor->asker;
	json_t *files = files_of(supervisor, plan);

	supervisor->generation++;
	if (!asker && !json_array_size(files)) {
		json_decref(files);
		return;
	}
	if (!supervisor->generations)
		supervisor->generations = json_array();
	if (json_array_size(supervisor->generations) == QOS_GENERATIONS_MAX)
		json_array_remove(supervisor->generations, 0);
	qos_log(LOG_INFO, NULL, NULL, NULL, "generation %llu, asked for by %s: %zu files changed",
		(unsigned long long)supervisor->generation, asker ? asker->how : "qosd itself",
		json_array_size(files));
	json_array_append_new(
		supervisor->generations,
		json_pack("{sI sf ss so so}", "generation", (json_int_t)supervisor->generation,
			  "at", (double)qos_clock_ns(CLOCK_REALTIME) / 1e9, "by",
			  asker ? asker->how : "itself", "uid",
			  asker ? json_integer(asker->uid) : json_null(), "files", files));
}

json_t *qos_generation_json(const struct qos_supervisor *supervisor)
{
	return json_pack("{sI so}", "number", (json_int_t)supervisor->generation, "latest",
			 supervisor->generations ? json_deep_copy(supervisor->generations)
						 : json_array());
}
