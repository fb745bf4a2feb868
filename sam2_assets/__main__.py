"""``python -m sam2_assets`` is the command ``sam2-assets``."""

from sam2_assets.cli import main

if __name__ == "__main__":
    main()
