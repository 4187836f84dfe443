"""When a technician will be there, how sure that is, and which window to announce.

`errors` is what finished visits have taught, `arrivals` draws it through routes, `windows` turns draws into
windows and chances corrected by recent weeks, `keeping` judges afterwards. Pure; knows `problem` alone.
"""
