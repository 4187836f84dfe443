"""The scanner: a code before the camera is read by WebAssembly of ours, under the strict policy."""

from typing import Any

import segno

from tests.mobile_api.pwa.conftest import Field, phone_in
from tests.pages.conftest import BROWSER

pytestmark = BROWSER

CAMERA = """rows => {
  // A camera that looks at a printed code: a canvas, whose stream stands for the camera's.
  const size = 8, edge = 4, side = (rows.length + 2 * edge) * size;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = side;
  const pen = canvas.getContext('2d');
  const draw = () => {
    pen.fillStyle = '#fff';
    pen.fillRect(0, 0, side, side);
    pen.fillStyle = '#000';
    rows.forEach((row, y) => row.forEach((dark, x) => {
      if (dark) pen.fillRect((x + edge) * size, (y + edge) * size, size, size);
    }));
  };
  setInterval(draw, 50);
  draw();
  navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(20);
  delete globalThis.BarcodeDetector;
}"""


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
        code = segno.make_qr((await issued.json())["url"])
        await page.goto("/app/index")
        await page.evaluate(CAMERA, [[bool(dark) for dark in row] for row in code.matrix])
        await phone.press("Scan the code")
        await page.locator("header .state").wait_for()
        assert any(path.endswith(".wasm") for path in phone.asked)
