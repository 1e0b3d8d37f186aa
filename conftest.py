"""What tests of both projects share is in these modules of `tests`."""

pytest_plugins = ["common_fixtures", "emulators", "guard", "shared", "surroundings"]
