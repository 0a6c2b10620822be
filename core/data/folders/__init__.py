"""The folders of the machine that the app runs on, as a person walks through them."""
