#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""usage: client.py [idle]

With idle, waits in a mailbox for two minutes. Without, uses a Dovecot on this machine
as its clients do, and prints what comes of it, as "ok NAME" or "not ok NAME", with what
was wrong in front:

  lmtp           mail for two is delivered, and fetched with IMAP
  pop3           the same mail is fetched with POP3, and removed
  idle-KIND      who waits (IDLE) in a mailbox is told of new mail, of flags and of
                 mail that is removed, by what is done to the files of that KIND of
                 mailbox: the server looks at them by itself but every ten hours
  load           clients store mail and fetch it

Each byte is checked.
"""

import imaplib
import poplib
import random
import re
import smtplib
import sys
import threading
import time
import traceback

HOST = '127.0.0.1'
IMAP, POP3, LMTP = 10143, 10110, 10024
LIMIT = 120  # seconds for an answer: an hour of patience costs an emulator nothing
KINDS = ('maildir', 'mbox', 'sdbox')  # there is a user of each name
CLIENTS, MAILS = 5, 40

imaplib._MAXLINE = 10000000


def make_mail(name):
    """A mail with all bytes that one may have, and lines that begin with a dot."""
    rng = random.Random(name)
    allowed = bytes(b for b in range(1, 256) if b not in b'\r\n')
    lines = [b'From: <a@localhost>', b'Subject: ' + name.encode(), b'']
    for _ in range(rng.choice((1, 10, 100, 1000))):
        lines.append(rng.choice((b'', b'.', b'..')) +
                     bytes(rng.choices(allowed, k=rng.randrange(100))))
    return b'\r\n'.join(lines) + b'\r\n'


def expect(got, wanted, what):
    if got != wanted:
        raise AssertionError('%s: %.300r instead of %.300r' % (what, got, wanted))


def expect_delivered(got, mail, what):
    """Who delivers it adds lines in front, and nothing else."""
    expect(got[-len(mail):], mail, what)
    if b'\r\n\r\n' in got[:-len(mail)]:
        raise AssertionError('%s: begins with %.300r' % (what, got))


class Imap(imaplib.IMAP4):
    def __init__(self, user, box='INBOX'):
        super().__init__(HOST, IMAP, timeout=LIMIT)
        self.login(user, 'secret')
        self.done(self.select(box), 'SELECT')

    def done(self, answer, what):
        status, data = answer
        expect(status, 'OK', what)
        return data

    def count(self):
        return len(self.done(self.search(None, 'ALL'), 'SEARCH')[0].split())

    def text(self, number):
        data = self.done(self.fetch(str(number), '(BODY.PEEK[])'), 'FETCH')
        return data[0][1]

    def empty(self):
        if self.count():
            self.done(self.store('1:*', '+FLAGS.SILENT', r'(\Deleted)'), 'STORE')
            self.done(self.expunge(), 'EXPUNGE')

    def idle(self):
        self.tag = self._new_tag()
        self.send(self.tag + b' IDLE\r\n')
        expect(self.readline()[:1], b'+', 'IDLE')

    def told(self, pattern):
        """Wait to be told that. Every two minutes it says that it is still there."""
        end = time.monotonic() + LIMIT
        while True:
            line = self.readline()
            if time.monotonic() > end:
                raise AssertionError('not told %r' % pattern)
            if re.fullmatch(pattern + rb'\r\n', line):
                return
            if not line.startswith(b'* '):
                raise AssertionError('%r instead of %r' % (line, pattern))

    def end_idle(self):
        self.send(b'DONE\r\n')
        line = self.readline()
        while line.startswith(b'* '):
            line = self.readline()
        expect(line.split()[:2], [self.tag, b'OK'], 'DONE')


def deliver(mail, *users):
    with smtplib.LMTP(HOST, LMTP, timeout=LIMIT) as lmtp:
        for user in users:
            refused = lmtp.sendmail('a@localhost', user, mail)
            expect(refused, {}, 'LMTP')


def test_lmtp():
    users = ('maildir', 'sdbox')
    for user in users:
        Imap(user).empty()
    mails = [make_mail('lmtp %d' % i) for i in range(20)]
    for mail in mails:
        deliver(mail, *users)
    for user in users:
        imap = Imap(user)
        expect(imap.count(), len(mails), 'mails of ' + user)
        for i, mail in enumerate(mails):
            expect_delivered(imap.text(i + 1), mail, '%s, mail %d' % (user, i))
        imap.logout()


def test_pop3():
    mails = [make_mail('lmtp %d' % i) for i in range(20)]
    pop = poplib.POP3(HOST, POP3, timeout=LIMIT)
    pop.user('maildir')
    pop.pass_('secret')
    expect(pop.stat()[0], len(mails), 'STAT')
    for i, mail in enumerate(mails):
        lines = pop.retr(i + 1)[1]
        expect_delivered(b'\r\n'.join(lines) + b'\r\n', mail, 'mail %d' % i)
        pop.dele(i + 1)
    pop.quit()
    expect(Imap('maildir').count(), 0, 'what is left')


def test_idle(kind):
    other = Imap(kind)
    other.empty()
    waiting = [Imap(kind) for _ in range(3)]
    for imap in waiting:
        imap.idle()
    for number in range(1, 4):
        mail = make_mail('idle %d' % number)
        deliver(mail, kind)
        for imap in waiting:
            imap.told(b'\\* %d EXISTS' % number)
    # By now this one has not looked since it was empty.
    other.done(other.noop(), 'NOOP')
    expect_delivered(other.text(3), mail, 'mail 3')
    other.done(other.store('2', '+FLAGS', r'(\Answered)'), 'STORE')
    for imap in waiting:
        imap.told(rb'\* 2 FETCH \(.*\\Answered.*\)')
    other.done(other.store('1', '+FLAGS', r'(\Deleted)'), 'STORE')
    other.done(other.expunge(), 'EXPUNGE')
    for imap in waiting:
        imap.told(rb'\* 1 EXPUNGE')
        imap.end_idle()
        expect(imap.count(), 2, 'what is left')
        imap.logout()


def store_and_fetch(user, errors):
    try:
        imap = Imap(user)
        imap.empty()
        for i in range(MAILS):
            mail = make_mail('%s %d' % (user, i))
            imap.done(imap.append('INBOX', None, None, mail), 'APPEND')
            imap.done(imap.noop(), 'NOOP')
            expect(imap.text(i + 1), mail, '%s, mail %d' % (user, i))
        imap.logout()
    except Exception:
        errors.append(traceback.format_exc())


def test_load():
    errors = []
    threads = [threading.Thread(target=store_and_fetch, args=('load%d' % i, errors))
               for i in range(CLIENTS)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - begin
    if errors:
        raise AssertionError('\n'.join(errors))
    print('# load: %.1f mails/s' % (CLIENTS * MAILS / seconds), flush=True)


def judge(name, test, *args):
    try:
        test(*args)
        verdict = 'ok'
    except Exception:
        for line in traceback.format_exc().splitlines():
            print('#', line)
        verdict = 'not ok'
    print(verdict, name, flush=True)


if sys.argv[1:] == ['idle']:
    imap = Imap('maildir')
    imap.idle()
    imap.told(b'nothing')
judge('lmtp', test_lmtp)
judge('pop3', test_pop3)
for kind in KINDS:
    judge('idle-' + kind, test_idle, kind)
judge('load', test_load)
