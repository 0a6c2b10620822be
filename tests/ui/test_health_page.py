"""The page Health: what is wrong with its advice, caches to clear, and the backup button."""

from pathlib import Path

from core.domain.jobs import JobKind
from core.worker.launcher import lane_lock
from core.workspace import Workspace
from pages.ui.places import Place
from tests.made import make_dataset
from tests.ui.conftest import OpenPage


def test_the_page_says_what_is_wrong_and_clears_caches_while_no_job_runs(
    open_page: OpenPage, workspace: Workspace, tmp_path: Path
) -> None:
    make_dataset(workspace)
    picture = workspace.thumbnails / "t.webp"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(bytes(range(250)) * 100)
    app = open_page(Place.HEALTH, workspace)
    said = " ".join(item.value for item in app.warning)
    assert "never backed up.** Your administrator sets the folder" in said
    # Whoever opened the page was told of a file on the server; an administrator finds it below.
    assert "touchstone" not in said
    (expander,) = (item for item in app.expander if item.label == "For the administrator")
    assert "`backup.folder` in touchstone.toml" in expander.markdown[0].value
    assert "`touchstone backup FOLDER`" in expander.markdown[0].value
    (off,) = (item for item in app.caption if "Daily backups are off" in item.value)
    assert "touchstone.toml" not in off.value
    assert "`backup.folder`" in str(off.help)
    assert app.button(key="back_up").disabled  # no folder is set
    assert app.button(key="clear_caches").disabled
    app.checkbox(key="cache_previews").check().run()
    with lane_lock(workspace, JobKind.QUALITY.lane):
        app.button(key="clear_caches").click().run()
        assert "A job is at work or waits" in app.error[0].value
    assert picture.exists()
    app.button(key="clear_caches").click().run()
    assert not picture.exists()
    assert not app.error
    assert not app.exception
    assert "freed" in app.toast[0].value
    assert app.checkbox(key="cache_previews").disabled
