/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rules remember, from one version of a contract to another with other rules: each operation
 * whose event and operands are the same goes on (extension/state.h), the rest begins anew.
 *
 * The new version's hooks are set before, so that nothing else follows. Weakness: an event of a thread
 * in the moment in which it changes over is not remembered.
 */
#include "extend_parts.h"

static void carry(struct qos_supervisor *supervisor, const struct qos_extension *old,
		  const struct qos_extension *extension, pid_t tid)
{
	struct qos_chain *chain = supervisor->extender->chain;
	uint64_t before[QOS_RULES_STATE_MAX], words[QOS_RULES_STATE_MAX] = {};

	if (qos_chain_state_read(chain, old->number, tid, before) < 0)
		return;
	if (tid && qos_chain_thread(chain, extension->number, tid) < 0)
		return;
	if (qos_state_carry(&old->states, before, &extension->states, words))
		qos_chain_state_write(chain, extension->number, tid, words);
}

void qos_extension_carry(struct qos_supervisor *supervisor, const struct qos_live *live,
			 const struct qos_extension *old, const struct qos_extension *extension)
{
	const struct qos_thread *thread;
	size_t pos = 0;

	if (!old->n_state || !extension->n_state)
		return;
	carry(supervisor, old, extension, 0);
	while ((thread = qos_extension_next_thread(supervisor, live, &pos)))
		carry(supervisor, old, extension, thread->tid);
}
