"""`python -m prograd`: the `prograd` command."""

from prograd.commands.group import main

if __name__ == "__main__":
    main(prog_name="prograd")
