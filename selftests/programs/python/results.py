# SPDX-License-Identifier: BSD-2-Clause
#
# usage: python results.py SELECTOR OTHERS MODULE...
#
# Runs the tests of these modules, but for those whose names have a match of the
# pattern OTHERS, and prints as KTAP what becomes of each. A module runs in a process of
# its own, whose selectors.DefaultSelector is to be that class. A test that hangs or
# that ends its process has failed; those that were still to come run in another one.

import faulthandler
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import unittest

PATIENCE = 300      # seconds for one test
RESOURCES = ["subprocess", "cpu", "walltime", "network"]    # loopback will do


# --- In the process of a module -------------------------------------------

def each_test(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each_test(test)
        else:
            yield test


def load(module):
    """Return {name: test}, or, if all of it is to be skipped, {module: reason}."""
    try:
        suite = unittest.defaultTestLoader.loadTestsFromName(module)
    except unittest.SkipTest as skip:
        return {module.removeprefix("test."): str(skip)}
    tests = {}
    for test in each_test(suite):
        name = short = re.sub(r"[^\w.]+", "-", test.id().removeprefix("test."))
        while name in tests:
            name += "+"
        tests[name.replace("+", "-again")] = test
    return tests


class Result(unittest.TestResult):
    """Tells tell(), when a test has ended, what has become of it."""

    def __init__(self, tests, tell):
        super().__init__()
        self.names = {id(test): name for name, test in tests.items()}
        self.tell = tell

    def startTest(self, test):
        super().startTest(test)
        self.outcome = None
        self.tell("start", self.names[id(test)])

    def stopTest(self, test):
        super().stopTest(test)
        outcome = self.outcome or ("not ok", "it has ended without a result")
        self.tell(outcome[0], self.names[id(test)], outcome[1])

    def note(self, outcome, remark=""):
        if not self.outcome or self.outcome[0] != "not ok":
            self.outcome = outcome, remark

    def fail(self, test, err):
        remark = self._exc_info_to_string(err, test)
        if isinstance(test, unittest.suite._ErrorHolder):
            self.tell("outside", test.id(), remark)
        else:
            self.note("not ok", remark)

    addError = addFailure = fail

    def addSubTest(self, test, subtest, err):
        if err:
            self.fail(test, err)

    def addSuccess(self, test):
        self.note("ok")

    def addExpectedFailure(self, test, err):
        self.note("ok")

    def addUnexpectedSuccess(self, test):
        self.note("not ok", "it was to fail, and has not")

    def addSkip(self, test, reason):
        if isinstance(test, unittest.suite._ErrorHolder):
            # setUpModule (module) or setUpClass (module.class) has said so.
            within = test.id().partition("(")[2].rstrip(")") + "."
            for name in self.names.values():
                if name.startswith(within.removeprefix("test.")):
                    self.tell("skip", name, reason)
        elif hasattr(test, "test_case"):
            pass    # a part of a test, which goes on
        else:
            self.note("skip", reason)


def run_module(selector, module, left, fd):
    """Run those tests of the module whose names are in the file left."""
    import selectors
    import socketserver
    from test import support

    def tell(*what):
        os.write(fd, json.dumps(what).encode() + b"\n")

    faulthandler.enable()
    # A shell that has started this in the background has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if selectors.DefaultSelector.__name__ != selector:
        sys.exit(f"{selectors.DefaultSelector} is used, not {selector}")
    # By themselves they wait with poll(), where there is that.
    subprocess._PopenSelector = selectors.DefaultSelector
    socketserver._ServerSelector = selectors.DefaultSelector
    support.use_resources = RESOURCES
    support.verbose = False
    with open(left) as file:
        left = json.load(file)
    tests = load(module)
    if module.removeprefix("test.") in tests:
        tell("skip", *tests.popitem())
        return
    tests = {name: test for name, test in tests.items() if name in left}
    unittest.TestSuite(tests.values()).run(Result(tests, tell))


# --- In the process that prints -------------------------------------------

def say(line):
    print(line, flush=True)


def shared_name(name):
    """Return the name that a test has, whichever the selector is that it tests."""
    return re.sub("[.](Kqueue|E[Pp]oll)(SelectorTestCase|EventLoopTests)[.]", r".\2.", name)


def remark_on(text):
    for line in text.rstrip().splitlines()[-60:]:
        say("# " + line)


class Results:
    """Prints results, with numbers."""

    def __init__(self, count):
        self.number = 0
        self.failed = False
        say(f"1..{count}")

    def add(self, verdict, name, remark=""):
        self.number += 1
        name = shared_name(name)
        if verdict == "skip":
            name += " # SKIP " + " ".join(remark.split())
            verdict = "ok"
        else:
            remark_on(remark)
        self.failed |= verdict == "not ok"
        say(f"{verdict} {self.number} {name}")


class Module:
    def __init__(self, module, names, results):
        self.module = module
        self.left = dict.fromkeys(names)
        self.results = results
        self.running = None

    def start(self, selector, folder, log):
        left = os.path.join(folder, "left")
        with open(left, "w") as file:
            json.dump(list(self.left), file)
        work = os.path.join(folder, "work")
        os.mkdir(work)
        self.input, output = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--run", selector,
             self.module, left, str(output)],
            pass_fds=[output], start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, cwd=work)
        os.close(output)
        self.unread = b""

    def next_lines(self):
        """Return what it tells next, [] at its end; None if it takes too long."""
        if not select.select([self.input], [], [], PATIENCE)[0]:
            return None
        data = os.read(self.input, 65536)
        *lines, self.unread = (self.unread + data).split(b"\n")
        return lines if data else []

    def note(self, what, name, remark=""):
        if what == "start":
            self.running = name
        elif what == "outside":
            self.outside.append(f"{name}: {remark}")
        elif name in self.left:
            del self.left[name]
            self.running = None
            self.results.add(what, name, remark)

    def follow(self):
        """Note all that it tells. Return whether it has ended by itself."""
        while (lines := self.next_lines()) is not None:
            for line in lines:
                self.note(*json.loads(line))
            # Processes that it has left behind may have its descriptor.
            if not lines or self.process.poll() is not None and not self.unread:
                return True
        # It tells where it hangs.
        self.process.send_signal(signal.SIGABRT)
        return False

    def end(self):
        """Wait for its end, and end all that it has left. Return its exit status."""
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.outside.append("it does not end")
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.process.wait()

    def run_once(self, selector):
        """Run what is left. Return what is wrong with that."""
        self.outside = []
        with (tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
              tempfile.TemporaryFile("w+", errors="replace") as log):
            self.start(selector, folder, log)
            if not self.follow():
                self.outside.append(f"{PATIENCE} s have passed")
            os.close(self.input)
            status = self.end()
            log.seek(0)
            said = log.read()
        for line in said.splitlines():
            if line.startswith("# load: "):
                say(line)
        if status:
            self.outside += [f"exit status {status}", said]
        return "\n".join(self.outside)

    def run(self, selector):
        wrong = []
        while self.left:
            before = len(self.left)
            wrong += filter(None, [self.run_once(selector)])
            if self.running:
                self.note("not ok", self.running, "it has not come to its end")
            elif len(self.left) == before:
                break
        for name in list(self.left):
            self.note("not ok", name, "it has not been reached")
        wrong = "\n".join(wrong)
        self.results.add("not ok" if wrong else "ok",
                         self.module.removeprefix("test.") + ".end", wrong)


def main(selector, others, *modules):
    listed = subprocess.run(
        [sys.executable, os.path.abspath(__file__), "--list", others, *modules],
        check=True, stdout=subprocess.PIPE)
    names = json.loads(listed.stdout.splitlines()[-1])
    results = Results(sum(len(tests) + 1 for tests in names))
    for module, tests in zip(modules, names):
        Module(module, tests, results).run(selector)
    sys.exit(results.failed)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--list", others, *modules]:
            print(json.dumps([[name for name in load(module)
                               if not re.search(others, name)]
                              for module in modules]))
        case ["--run", selector, module, left, fd]:
            run_module(selector, module, left, int(fd))
        case [selector, others, *modules]:
            main(selector, others, *modules)
