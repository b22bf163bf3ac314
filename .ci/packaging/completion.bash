# shellcheck shell=bash
# Completes the options of Elastic Inference's programs. The program itself is asked for them, so that none is missing.
_elastic_inference() {
  if [[ $2 == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$("$1" --help 2>/dev/null | grep -oE -- '--[a-z0-9][a-z0-9-]*')" -- "$2")
  fi
}
# What is no option is a file.
complete -o default -F _elastic_inference inference-operator inference-dispatcher inference-worker inference-bench
