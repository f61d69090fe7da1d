from .api import Verdict as Verdict, verdict as verdict
