"""What the demonstration's customers own, how often it fails, and how it is worked on."""

from typing import Any, Final, NamedTuple


class Model(NamedTuple):
    """One of eight models; `mtbf_days` and `repair_h` are the means that its past is drawn from."""

    code: str
    manufacturer: str
    name: str
    equipment: str
    trade: str
    work_type: str
    mtbf_days: float
    repair_h: float
    modes: tuple[str, ...]


MODELS: Final = (
    Model("LX-5", "Otto", "LX 5", "passenger lift", "lift", "lift_repair", 95, 2.2,
          ("door_stuck", "misaligned_stop", "drive_fault")),
    Model("LC-9", "Otto", "LC 9", "goods lift", "lift", "lift_repair", 120, 2.8,
          ("door_stuck", "overload_sensor", "brake_worn")),
    Model("DL-2", "Rampa", "DL 2", "dock leveller", "dock", "dock_repair", 140, 1.6,
          ("hydraulic_leak", "lip_bent")),
    Model("AC-40", "Frigo", "AC 40", "air conditioner", "hvac", "hvac_repair", 160, 2.0,
          ("compressor", "refrigerant_leak", "fan")),
    Model("VU-7", "Frigo", "VU 7", "ventilation unit", "hvac", "hvac_repair", 210, 1.5,
          ("fan", "filter_blocked", "control_board")),
    Model("BR-3", "Kotel", "BR 3", "boiler", "boiler", "boiler_repair", 180, 2.5,
          ("ignition", "pump", "leak")),
    Model("SA-6", "Sterilo", "SA 6", "steam autoclave", "medical", "medical_repair", 110, 1.8,
          ("door_seal", "steam_generator", "sensor")),
    Model("DW-1", "Sterilo", "DW 1", "dialysis water plant", "medical", "medical_repair", 150, 2.4,
          ("membrane", "pump", "conductivity")),
)  # fmt: skip

BY_CUSTOMER: Final = {
    "C-100": ("LX-5", "AC-40", "VU-7", "BR-3"),
    "C-200": ("LX-5", "SA-6", "DW-1", "VU-7"),
    "C-300": ("LC-9", "DL-2", "AC-40", "DL-2"),
    "C-400": ("BR-3", "VU-7", "LX-5", "BR-3"),
}
"""Which models stand at a customer's sites, in turn."""

WORK_TYPES: Final = (
    ("lift_repair", {"en": "Lift repair", "ru": "Ремонт лифта"}, "lift", 2, 7_200),
    ("dock_repair", {"en": "Dock leveller repair", "ru": "Ремонт перегрузочного моста"}, "dock", 2, 5_400),
    ("hvac_repair", {"en": "Climate repair", "ru": "Ремонт климатической техники"}, "hvac", 2, 6_300),
    ("boiler_repair", {"en": "Boiler repair", "ru": "Ремонт котла"}, "boiler", 3, 7_200),
    ("medical_repair", {"en": "Medical device repair", "ru": "Ремонт медтехники"}, "medical", 3, 6_300),
)  # fmt: skip
"""(code, names, skill, level, seconds)"""

SERVICES: Final = (
    ("inspection", {"en": "Yearly inspection", "ru": "Ежегодный осмотр"}, "electrical", 2, 5_400),
    ("consultation", {"en": "Consultation", "ru": "Консультация"}, "electrical", 1, 2_700),
)

CERTIFICATION: Final = "surgery_lift"
"""Work that asks for two trades which nobody of the company holds together: a plan says why it is out."""

SKILLS: Final = (
    ("lift", "Lifts"),
    ("dock", "Dock levellers"),
    ("hvac", "Heating, ventilation, air conditioning"),
    ("boiler", "Boilers"),
    ("medical", "Medical devices"),
    ("electrical", "Electrical safety"),
)


def checklist(template_id: str, en: str, ru: str) -> dict[str, Any]:
    """Return a repair's checklist: secured, what was found, a reading, two mandatory photos, a signature."""
    return {
        "template_id": template_id,
        "version": 1,
        "title": {"en": en, "ru": ru},
        "items": [
            {
                "id": "secured",
                "kind": "yesno",
                "required": True,
                "label": {"en": "Machine secured and locked out", "ru": "Оборудование обесточено"},
            },
            {
                "id": "cause",
                "kind": "choice",
                "required": True,
                "choices": [
                    {"code": "wear", "label": {"en": "Wear", "ru": "Износ"}},
                    {"code": "misuse", "label": {"en": "Misuse", "ru": "Неверное обращение"}},
                    {"code": "settings", "label": {"en": "Settings", "ru": "Настройки"}},
                    {"code": "power", "label": {"en": "Power supply", "ru": "Питание"}},
                    {"code": "unknown", "label": {"en": "Unknown", "ru": "Неизвестно"}},
                ],
                "label": {"en": "Cause found", "ru": "Найденная причина"},
            },
            {
                "id": "reading",
                "kind": "number",
                "unit": "V",
                "min": 0,
                "max": 440,
                "required": True,
                "label": {"en": "Supply voltage", "ru": "Напряжение питания"},
            },
            {
                "id": "remark",
                "kind": "text",
                "required_if": 'has(answers.cause) && answers.cause.value == "unknown"',
                "label": {"en": "What was observed", "ru": "Что наблюдалось"},
            },
            {
                "id": "after",
                "kind": "photo",
                "photos_required": "1.0",
                "label": {"en": "Photo after the repair", "ru": "Фото после ремонта"},
            },
        ],
    }


REASONS: Final = (
    ("pause", "parts", {"en": "Waiting for a part", "ru": "Ожидание запчасти"}, True),
    ("pause", "customer_access", {"en": "No access", "ru": "Нет доступа"}, True),
    ("pause", "shift_end", {"en": "End of shift", "ru": "Конец смены"}, False),
    ("cancel", "customer", {"en": "Cancelled by the customer", "ru": "Отменено заказчиком"}, False),
    ("cancel", "duplicate", {"en": "Reported twice", "ru": "Повторная заявка"}, False),
    ("abort", "no_access", {"en": "Nobody at the site", "ru": "На объекте никого нет"}, False),
    ("reject", "overload", {"en": "Cannot make it today", "ru": "Не успеваю сегодня"}, False),
    ("no_signature", "absent", {"en": "Nobody there to sign", "ru": "Некому подписать"}, False),
    ("reclass", "misreported", {"en": "Reported wrongly", "ru": "Ошибка в заявке"}, False),
    ("reopen", "not_fixed", {"en": "Not fixed", "ru": "Не устранено"}, False),
    ("waiver", "office", {"en": "Office's decision", "ru": "Решение офиса"}, False),
)
"""(kind, code, names, stops clocks)"""
