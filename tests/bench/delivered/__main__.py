"""Apart from what it runs: each process of the load would import that as well."""

import asyncio

from tests.bench.delivered import main

asyncio.run(main())
