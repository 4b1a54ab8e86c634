"""chaos/faults: see README.md. `perform` is for injection.py only."""
import os
import sys

sys.dont_write_bytecode = True
# Run as a folder, the package has no name: its parent makes it importable as `faults`.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

if __name__ == "__main__":
    if sys.argv[1:2] == ["perform"]:
        from faults.performer import main
    else:
        from faults.command import main
    sys.exit(main())
