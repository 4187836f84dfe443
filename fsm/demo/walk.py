async def walk(url, passport, people):
    return 0
