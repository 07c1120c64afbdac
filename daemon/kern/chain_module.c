/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's tracepoint: bpf/module.bpf.c is attached there, and enters the program that an event
 * names. Programs are loaded for that tracepoint and with the module's kfunc.
 */
#include <errno.h>
#include <string.h>

#include "kern/chain_parts.h"
#include "kern/probe.h"
#include "module.skel.h"

static int attach(struct qos_chain_module *module)
{
	int r;

	module->skeleton = module_bpf__open();
	if (!module->skeleton)
		return -errno;
	r = module_bpf__load(module->skeleton);
	if (r == 0)
		r = module_bpf__attach(module->skeleton);
	if (r == 0)
		module->extensions_fd = bpf_map__fd(module->skeleton->maps.module_extensions);
	return r;
}

static int complain(struct qos_diag *diag, int error)
{
	const struct qos_errno_advice *advice = qos_errno_advice("bpf(PROG_LOAD)", -error);

	if (error == -ENOENT) {
		qos_diag_error(diag, NULL,
			       "the module qos_dwcs was built without what programs need");
		qos_diag_hint(diag,
			      "its kernel must have CONFIG_DEBUG_INFO_BTF_MODULES, and be 6.12 "
			      "or newer; managers.cpu: native serves rules without it");
	} else {
		qos_diag_error(diag, NULL, "nothing can be attached to the module qos_dwcs: %s: %s",
			       strerror(-error), advice->cause);
		qos_diag_hint(diag, "%s", advice->remedy);
	}
	return error;
}

int qos_chain_module_open(struct qos_chain *chain, struct qos_diag *diag)
{
	struct qos_chain_module *module = &chain->module;
	int r;

	if (module->skeleton)
		return 0;
	r = qos_module_btf_open(&module->btf);
	if (r < 0)
		return complain(diag, r);
	r = attach(module);
	if (r == 0)
		return 0;
	module_bpf__destroy(TAKE_PTR(module->skeleton));
	qos_module_btf_close(&module->btf);
	return complain(diag, r);
}

void qos_chain_module_close(struct qos_chain *chain)
{
	if (!chain->module.skeleton)
		return;
	module_bpf__destroy(TAKE_PTR(chain->module.skeleton));
	qos_module_btf_close(&chain->module.btf);
}
