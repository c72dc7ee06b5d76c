#!/usr/bin/python3
"""The judge, the comparison of listings and the archive, without an emulator."""

import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from harness import archive, listing, markers

HERE = Path(__file__).resolve().parent


def console(text):
    return [line.strip() for line in text.strip().splitlines()]


class Judge(unittest.TestCase):
    scenarios = [
        markers.Scenario("dom0", Path("dom0.sh"), ("xl-list",)),
        markers.Scenario("kill9", Path("kill9.sh"), ("killed", "same-store")),
    ]
    passed = console(
        """
        @vxs 1.00 begin dom0
        Name   ID
        @vxs 1.50 check xl-list ok (0.4 s)
        @vxs 2.00 end dom0
        @vxs 2.10 begin kill9
        @vxs 3.00 check killed ok (0.1 s)
        [    3.1] something from the kernel @vxs 4.00 check same-store ok (0.5 s)
        @vxs 5.00 end kill9
        @vxs 5.10 done
        """
    )

    def reasons(self, lines, trouble=None):
        return [verdict.reasons for verdict in markers.judge(self.scenarios, lines, trouble)]

    def without(self, text):
        return [line for line in self.passed if text not in line]

    def test_a_complete_console_passes(self):
        self.assertEqual(self.reasons(self.passed), [[], []])

    def test_times_are_dom0s_uptime(self):
        verdict = markers.judge(self.scenarios, self.passed)[1]
        self.assertEqual((verdict.begin, verdict.end), (2.1, 5.0))

    def test_a_failed_check_fails_its_scenario_only(self):
        lines = [line.replace("same-store ok", "same-store FAILED") for line in self.passed]
        self.assertEqual(self.reasons(lines), [[], ["same-store failed (0.5 s)"]])

    def test_a_check_that_is_missing_fails(self):
        self.assertEqual(self.reasons(self.without("killed")), [[], ["killed was not reported"]])

    def test_a_check_that_nobody_declared_fails(self):
        lines = [line.replace("check killed", "check kild") for line in self.passed]
        self.assertEqual(
            self.reasons(lines)[1], ["killed was not reported", "kild is not declared"]
        )

    def test_a_check_reported_twice_fails(self):
        lines = self.passed[:6] + self.passed[5:]
        self.assertEqual(self.reasons(lines)[1], ["killed was reported 2 times"])

    def test_a_scenario_that_never_ends_or_begins_fails(self):
        self.assertEqual(self.reasons(self.without("end kill9"))[1], ["never ended"])
        self.assertEqual(self.reasons(self.without("begin kill9"))[1], ["never began"])

    def test_a_run_that_breaks_off_fails_even_if_all_scenarios_passed(self):
        self.assertEqual(
            self.reasons(self.without("done"), "not finished after 300 s")[1],
            ["not finished after 300 s"],
        )
        self.assertEqual(len(self.reasons(self.without("done"))[1]), 1)

    def test_an_empty_console_fails_everything(self):
        self.assertTrue(all(self.reasons([])))

    def test_texts_come_back_line_by_line(self):
        lines = console("@vxs-text a one\nnoise\n@vxs-text b other\n@vxs-text a two words")
        self.assertEqual(markers.text(lines, "a"), ["one", "two words"])


class StockDaemon(unittest.TestCase):
    def test_the_judge_notices_that_the_stock_daemon_does_not_survive_kill9(self):
        scenario = markers.Scenario.load(HERE / "dom0/scenarios/kill9.sh")
        lines = (HERE / "golden/kill9-stock.console").read_text("utf-8").splitlines()
        reasons = "\n".join(markers.judge([scenario], lines)[0].reasons)
        for lost in ("same-store", "waiting-request-answered", "old-watch-fires", "xl-list"):
            self.assertIn(f"{lost} failed", reasons)
        for kept in ("guest", "killed", "daemon-restarted"):
            self.assertNotIn(f"{kept} failed", reasons)


class Scenarios(unittest.TestCase):
    def test_every_scenario_declares_checks_and_reports_no_other(self):
        for script in (HERE / "dom0/scenarios").glob("*.sh"):
            scenario = markers.Scenario.load(script)
            self.assertTrue(scenario.checks, script)
            self.assertEqual(len(set(scenario.checks)), len(scenario.checks), script)
            for line in script.read_text("utf-8").splitlines():
                if line.startswith("check "):
                    self.assertIn(line.split()[1], scenario.checks, script)

    def test_the_guests_probe_reports_what_the_guest_scenario_declares(self):
        probe = (HERE / "guest/probe.c").read_text("utf-8")
        for name in markers.Scenario.load(HERE / "dom0/scenarios/guest.sh").checks[3:-2]:
            self.assertIn(f'report("{name}"', probe)


class Listing(unittest.TestCase):
    uuid = "6e1f5a5e-0000-4000-8000-0123456789ab"

    def normal(self, line, domid="7"):
        return listing.normalise([line], domid, f"/vm/{self.uuid}")

    def test_domids_in_paths_permissions_and_values_are_mapped(self):
        self.assertEqual(
            self.normal('/local/domain/7/backend = "/local/domain/0/backend/vbd/7/7"   (n7,r0)'),
            ["/local/domain/<domid>/backend = /local/domain/0/backend/vbd/<domid>/7 (n<domid>,r0)"],
        )

    def test_the_domid_is_mapped_where_it_is_a_value(self):
        self.assertEqual(
            self.normal('/local/domain/0/backend/vbd/7/51712/frontend-id = "7"   (n0)'),
            ["/local/domain/0/backend/vbd/<domid>/51712/frontend-id = <domid> (n0)"],
        )

    def test_other_numbers_stay(self):
        self.assertEqual(
            self.normal('/local/domain/77/cpu/7 = "7"   (n77)'), ["/local/domain/77/cpu/7 = 7 (n77)"]
        )

    def test_uuids_and_volatile_values_are_mapped(self):
        self.assertEqual(
            self.normal(f'/vm/{self.uuid}/start_time = "123.45"   (n0)'),
            ["/vm/<uuid>/start_time = <volatile> (n0)"],
        )

    def test_a_different_permission_value_or_path_is_a_complaint(self):
        golden = ["/a = 1 (n0)", "/b = 1 (n0)", "/c = 1 (n0)"]
        found = ["/a = 1 (n0,r7)", "/b = 2 (n0)", "/d = 1 (n0)"]
        self.assertEqual(len(listing.compare(golden, found, set())), 6)
        self.assertEqual(listing.compare(golden, golden, set()), [])

    def test_an_intended_difference_covers_its_sign_and_path_only(self):
        allowed = {("+", "/d")}
        self.assertEqual(listing.compare([], ["/d = 1 (n0)"], allowed), [])
        self.assertEqual(listing.compare(["/d = 1 (n0)"], [], allowed), ["- /d = 1 (n0)"])

    def test_intended_differences_give_reasons(self):
        with tempfile.NamedTemporaryFile("w", suffix=".list") as file:
            file.write("# comment\n\nvxs: + /tool/x | because\nocaml: - /y | so\n")
            file.flush()
            self.assertEqual(listing.intended(file.name, "vxs"), {("+", "/tool/x")})
            file.write("vxs: + /without/reason\n")
            file.flush()
            with self.assertRaises(ValueError):
                listing.intended(file.name, "vxs")

    def test_the_stored_files_are_well_formed(self):
        golden = (HERE / "golden/store.listing").read_text("utf-8").splitlines()
        self.assertEqual(golden, sorted(golden))
        self.assertIn("/local/domain/<domid>/device/vbd/51712/state = 4 (n<domid>,r0)", golden)
        for daemon in ("c", "ocaml", "vxs"):
            listing.intended(HERE / "golden/intended-differences", daemon)


def members(image):
    """Names in a cpio file, by the lengths that its headers give."""
    at = 0
    while at < len(image):
        assert image[at : at + 6] == b"070701", at
        size, name_size = (int(image[at + field : at + field + 8], 16) for field in (54, 94))
        yield image[at + 110 : at + 110 + name_size - 1].decode()
        at += (110 + name_size + 3) // 4 * 4 + (size + 3) // 4 * 4


class Archive(unittest.TestCase):
    def test_a_program_brings_its_libraries_and_the_links_come_before_what_they_lead_to(self):
        with tempfile.TemporaryDirectory() as scratch:
            made = archive.Archive(SimpleNamespace(root=Path(scratch)))
            for name in ("lib", "lib64"):
                made.directory(f"/usr/{name}")
                made.link(f"/{name}", f"usr/{name}")
            made.add("/bin/sh", "/bin/shell", 0o755)
            made.text("/etc/odd", "xyz")
            image = Path(scratch) / "out.cpio"
            made.write(image)
            names = list(members(image.read_bytes()))
            self.assertEqual(names[-1], "TRAILER!!!")
            self.assertIn("usr/bin/shell", names)
            self.assertIn("usr/lib/x86_64-linux-gnu/libc.so.6", names)
            self.assertTrue(any(name.startswith("usr/lib64/ld-") for name in names))
            self.assertIn("etc/odd", names)


if __name__ == "__main__":
    unittest.main()
