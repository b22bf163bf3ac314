#compdef inference-operator inference-dispatcher inference-worker inference-bench
# zsh reads the options off --help by itself.
_arguments --
