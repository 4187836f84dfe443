"""Where the demonstration's company works: customers, sites in and around Prague, homes of technicians.

Names are invented; the positions are those of the districts and towns named, in degrees WGS 84.
"""

from typing import Final, NamedTuple


class Place(NamedTuple):
    name: str
    latitude: float
    longitude: float
    region: str


CUSTOMERS: Final = (
    ("C-100", "Vltava Hotels", "billing@vltava-hotels.example"),
    ("C-200", "St. Ludmila Hospitals", "technika@ludmila.example"),
    ("C-300", "Bohemia Logistics", "service@bohemia-logistics.example"),
    ("C-400", "Říčany City Schools", "sprava@skoly-ricany.example"),
)
"""(number, name, e-mail)"""

SITES: Final[tuple[tuple[str, str, Place], ...]] = (
    ("C-100", "Hotel Staré Město", Place("Staré Město", 50.0870, 14.4208, "centre")),
    ("C-100", "Hotel Karlín", Place("Karlín", 50.0923, 14.4500, "centre")),
    ("C-100", "Hotel Smíchov", Place("Smíchov", 50.0702, 14.4034, "centre")),
    ("C-100", "Hotel Vinohrady", Place("Vinohrady", 50.0752, 14.4503, "centre")),
    ("C-100", "Hotel Dejvice", Place("Dejvice", 50.1003, 14.3936, "north-west")),
    ("C-100", "Hotel Holešovice", Place("Holešovice", 50.1041, 14.4400, "centre")),
    ("C-100", "Airport Hotel", Place("Ruzyně", 50.1060, 14.2660, "north-west")),
    ("C-100", "Congress Hotel Pankrác", Place("Pankrác", 50.0511, 14.4392, "south")),
    ("C-100", "Hotel Kolín", Place("Kolín", 50.0282, 15.2006, "east")),
    ("C-100", "Hotel Mělník", Place("Mělník", 50.3505, 14.4741, "north")),
    ("C-200", "Hospital Motol", Place("Motol", 50.0745, 14.3410, "north-west")),
    ("C-200", "Hospital Krč", Place("Krč", 50.0296, 14.4554, "south")),
    ("C-200", "Hospital Bohnice", Place("Bohnice", 50.1312, 14.4172, "north")),
    ("C-200", "Hospital Vysočany", Place("Vysočany", 50.1102, 14.5020, "east")),
    ("C-200", "Clinic Žižkov", Place("Žižkov", 50.0842, 14.4570, "centre")),
    ("C-200", "Clinic Stodůlky", Place("Stodůlky", 50.0472, 14.3230, "south")),
    ("C-200", "Clinic Chodov", Place("Chodov", 50.0312, 14.4910, "south")),
    ("C-200", "Clinic Letňany", Place("Letňany", 50.1333, 14.5160, "north")),
    ("C-200", "Clinic Modřany", Place("Modřany", 50.0085, 14.4120, "south")),
    ("C-200", "Hospital Kladno", Place("Kladno", 50.1430, 14.1050, "north-west")),
    ("C-200", "Hospital Beroun", Place("Beroun", 49.9640, 14.0740, "south")),
    ("C-200", "Hospital Benešov", Place("Benešov", 49.7817, 14.6870, "south")),
    ("C-200", "Hospital Mladá Boleslav", Place("Mladá Boleslav", 50.4113, 14.9070, "north")),
    ("C-300", "Warehouse Zličín", Place("Zličín", 50.0540, 14.2900, "north-west")),
    ("C-300", "Warehouse Hostivař", Place("Hostivař", 50.0510, 14.5350, "east")),
    ("C-300", "Warehouse Kbely", Place("Kbely", 50.1330, 14.5450, "east")),
    ("C-300", "Warehouse Malešice", Place("Malešice", 50.0850, 14.5100, "east")),
    ("C-300", "Warehouse Čakovice", Place("Čakovice", 50.1520, 14.5190, "north")),
    ("C-300", "Terminal Černý Most", Place("Černý Most", 50.1050, 14.5780, "east")),
    ("C-300", "Terminal Uhříněves", Place("Uhříněves", 50.0300, 14.6050, "east")),
    ("C-300", "Office Nusle", Place("Nusle", 50.0620, 14.4360, "centre")),
    ("C-300", "Depot Řepy", Place("Řepy", 50.0690, 14.3080, "north-west")),
    ("C-300", "Depot Libuš", Place("Libuš", 50.0090, 14.4600, "south")),
    ("C-400", "School Říčany centre", Place("Říčany", 49.9920, 14.6550, "east")),
    ("C-400", "School Kunratice", Place("Kunratice", 50.0120, 14.4830, "south")),
    ("C-400", "School Záběhlice", Place("Záběhlice", 50.0570, 14.5000, "south")),
    ("C-400", "School Strašnice", Place("Strašnice", 50.0740, 14.4950, "east")),
    ("C-400", "School Kobylisy", Place("Kobylisy", 50.1240, 14.4530, "north")),
    ("C-400", "School Prosek", Place("Prosek", 50.1190, 14.4980, "north")),
    ("C-400", "Sports hall Háje", Place("Háje", 50.0310, 14.5270, "south")),
)
"""(customer, name, place)"""

TECHNICIANS: Final = (
    ("T-01", "Jana Dvořáková", "lift:4;electrical:3", Place("Libeň", 50.1040, 14.4740, "")),
    ("T-02", "Petr Novák", "lift:3;dock:3", Place("Hloubětín", 50.1050, 14.5370, "")),
    ("T-03", "Olga Ivanova", "lift:5;electrical:4", Place("Barrandov", 50.0300, 14.3640, "")),
    ("T-04", "Tomáš Černý", "lift:2;dock:4", Place("Říčany", 49.9900, 14.6500, "")),
    ("T-05", "Lucie Malá", "hvac:4;electrical:3", Place("Braník", 50.0360, 14.4110, "")),
    ("T-06", "Martin Kučera", "hvac:3", Place("Suchdol", 50.1360, 14.3800, "")),
    ("T-07", "Eva Horáková", "hvac:5;boiler:4", Place("Kladno", 50.1400, 14.1000, "")),
    ("T-08", "Pavel Veselý", "hvac:3;boiler:3", Place("Strašnice", 50.0700, 14.4900, "")),
    ("T-09", "Anna Marková", "medical:5", Place("Vinohrady", 50.0760, 14.4430, "")),
    ("T-10", "Sergei Volkov", "medical:4;electrical:4", Place("Chodov", 50.0330, 14.4950, "")),
    ("T-11", "Karel Beneš", "boiler:5;dock:3", Place("Letňany", 50.1310, 14.5120, "")),
    ("T-12", "Hana Pokorná", "electrical:5;lift:3", Place("Beroun", 49.9600, 14.0700, "")),
)
"""(number, name, skills with levels, home)"""
