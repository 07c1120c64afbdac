# SPDX-License-Identifier: GPL-2.0-only
# bash completion for qosctl(1). Names of contracts come from the running daemon; without one
# nothing is offered for them.

# qosctl at the socket that stands on the line, if one does.
_qosctl_ask() {
	local words=("${COMP_WORDS[@]}") socket=() i

	for ((i = 1; i < ${#words[@]} - 1; i++)); do
		[[ ${words[i]} == --socket ]] && socket=(--socket "${words[i + 1]}")
	done
	qosctl "${socket[@]}" "$@" 2>/dev/null
}

_qosctl_contracts() {
	_qosctl_ask --quiet list
}

_qosctl_streams() {
	_qosctl_ask --json show "$1" |
		sed -n 's/^ *"stream": "\([a-z0-9_]*\)",\{0,1\}$/cpu.\1.runtime/p' | sort -u
}

_qosctl_policies() {
	local file

	for file in /usr/share/qosd/policies/*.yaml; do
		[[ -e $file ]] && basename "$file" .yaml
	done
}

_qosctl_enabled() {
	local file

	for file in /etc/qosd/contracts.d/*.yaml /usr/lib/qosd/contracts.d/*.yaml; do
		[[ -e $file ]] && basename "$file" .yaml
	done
}

_qosctl_services() {
	systemctl list-units --type=service --state=running --plain --no-legend 2>/dev/null |
		cut -d' ' -f1
}

# Sets verb and first (its first argument); options and their values do not count.
_qosctl_scan() {
	local i

	verb='' first=''
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--socket | --contracts | --config | --host | --policies | --pin-dir | --for | --since | --confirm | \
			--set | --ordering | --seed | --svg | --stage | --html | -o | \
			--output | --name) ((i++)) ;;
		-*) ;;
		*)
			if [[ -z $verb ]]; then
				verb=${COMP_WORDS[i]}
			elif [[ -z $first ]]; then
				first=${COMP_WORDS[i]}
			fi
			;;
		esac
	done
}

_qosctl_options() {
	local common='--json --quiet --no-pager --socket --contracts --config --version --help'

	case $1 in
	'' | status) echo "$common --check --watch" ;;
	events) echo "$common --follow --since" ;;
	report) echo "$common --since --html" ;;
	list | show | explain | top) echo "$common --watch" ;;
	metrics) echo "$common --openmetrics" ;;
	check) echo "$common --strict --host --pin-dir" ;;
	compile) echo "$common --stage" ;;
	simulate) echo "$common --host --for --set --ordering --all-orderings --seed --svg" ;;
	plan) echo "$common --strict --pin-dir" ;;
	apply) echo "$common --strict --runtime --confirm --pin-dir" ;;
	enable) echo "$common --runtime --confirm --policies --pin-dir" ;;
	confirm) echo "$common --undo" ;;
	adjust) echo "$common --for" ;;
	record) echo "$common --for --output --name" ;;
	doctor) echo "$common --dump-host --errors --pin-dir" ;;
	panic) echo "$common --pin-dir" ;;
	*) echo "$common" ;;
	esac
}

_qosctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb first
	local verbs='status list show explain events report top metrics check compile simulate record plan apply confirm enable disable reload adjust revert readmit doctor panic help'

	local orderings='edf dwcs dwcs-skip dwcs-window vds vds-skip fin fin-guard'

	COMPREPLY=()
	_qosctl_scan
	case $prev in
	--socket | --config | --host | --svg | --html | -o | --output)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--contracts | --policies | --pin-dir)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--ordering)
		mapfile -t COMPREPLY < <(compgen -W "$orderings" -- "$cur")
		return
		;;
	--stage)
		mapfile -t COMPREPLY < <(compgen -W "tokens tree types ir insns verifier" -- "$cur")
		return
		;;
	--for | --since | --confirm | --set | --seed | --name) return ;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_qosctl_options "$verb")" -- "$cur")
		return
	fi
	case $verb:$first in
	: | help:) mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$cur") ;;
	report:*) mapfile -t COMPREPLY < <(compgen -W "$(_qosctl_contracts)" -- "$cur") ;;
	show: | explain: | events: | adjust: | revert: | readmit:)
		mapfile -t COMPREPLY < <(compgen -W "$(_qosctl_contracts)" -- "$cur")
		;;
	adjust:*)
		mapfile -t COMPREPLY < <(compgen -S = -W "$(_qosctl_streams "$first")" -- "$cur")
		compopt -o nospace
		;;
	revert:*)
		mapfile -t COMPREPLY < <(compgen -W "$(_qosctl_streams "$first")" -- "$cur")
		;;
	enable:) mapfile -t COMPREPLY < <(compgen -W "$(_qosctl_policies)" -- "$cur") ;;
	disable:) mapfile -t COMPREPLY < <(compgen -W "$(_qosctl_enabled)" -- "$cur") ;;
	record:)
		mapfile -t COMPREPLY < <(compgen -W "$(_qosctl_services)" -- "$cur")
		;;
	compile:)
		mapfile -t COMPREPLY < <(compgen -f -W "$(_qosctl_contracts)" -- "$cur")
		;;
	check:* | simulate:* | plan:* | apply:*) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	esac
}

complete -o filenames -F _qosctl qosctl
