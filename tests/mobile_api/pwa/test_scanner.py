"""The scanner: a code before the camera is read by WebAssembly of ours, under the strict policy."""

from typing import Any

from tests.mobile_api.pwa.conftest import Field, phone_in
from tests.pages.conftest import BROWSER

pytestmark = BROWSER


async def test_the_offices_code_before_the_camera_sets_the_phone_up(
    there: Field, chromium: Any
) -> None:
    office = there.office
    async with phone_in(there, chromium) as phone:
        page = phone.page
        issued = await page.request.post(
            f"/api/users/{office.company.users['technician'].id}/enrolment",
            headers=office.company.headers["administrator"],
        )
        await page.goto("/app/index")
        await phone.sees((await issued.json())["url"])
        await phone.press("Scan the code")
        await page.locator("header .state").wait_for()
        assert any(path.endswith(".wasm") for path in phone.asked)
